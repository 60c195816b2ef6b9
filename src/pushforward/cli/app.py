"""The commands, their arguments, and the exit code."""

import logging
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Optional

import typer

__all__ = ["app", "main"]


def _path(text: str | Path) -> Path:
    """A path that was written down: an empty one (of an unset variable) would be the current folder."""
    if not str(text):
        raise typer.BadParameter("it is empty; name a file or a folder")
    return Path(text)


MOST = 10**15  # of any count: no machine gets as far, and every product of it still is a 64-bit number

app = typer.Typer(
    name="pushforward",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text is quicker, and the same in files as in terminals
    epilog="Begin with `pushforward recipes`, or `pushforward train moons`.",
)

Run = Annotated[Path, typer.Argument(parser=_path, metavar="RUN", help="Run folder.", show_default=False)]
Set = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads this form
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Replace one value of the configuration; may be repeated."),
]


@app.command()
def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE_OR_YAML", help="Name of a recipe, or a YAML file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=_path, metavar="DIR", help="Run folder to make.", show_default="runs/RECIPE")
    ] = None,
    assignments: Set = None,
    resume: Annotated[
        Path | None, typer.Option(parser=_path, metavar="DIR", help="Continue the run in this folder.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="D", help="cpu, cuda, cuda:1 or mps.", show_default="the best")
    ] = None,
    devices: Annotated[int | None, typer.Option(metavar="N", help="How many of them.", max=MOST)] = None,
) -> None:
    """Train a recipe or a YAML file into a run folder."""
    from pushforward.cli.train import run

    run(recipe, out, assignments or [], resume, device, devices)


@app.command()
def sample(
    run: Run,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", parser=_path, metavar="FILE", help="What to write: .npz, .npy, .csv or .png."),
    ],
    n: Annotated[int, typer.Option("-n", "--n", metavar="N", help="Number of samples.", max=MOST)] = 100,
    steps: Annotated[
        int | None,
        typer.Option(metavar="K", help="Steps from source to data.", max=MOST, show_default="the run's"),
    ] = None,
    solver: Annotated[
        str | None, typer.Option(metavar="S", help="Solver, e.g. Heun.", show_default="the run's")
    ] = None,
    cond: Annotated[
        str | None,
        typer.Option(
            metavar="C",
            help="Labels, names of classes or numbers, with commas between them; or a .npy or .csv file.",
            show_default="all labels in turn",
        ),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(metavar="W", help="Scale of classifier-free guidance; 1 is none.", show_default="the run's"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the draws.")] = 0,
    device: Annotated[str | None, typer.Option(metavar="D", help="Where to compute.", show_default="cpu")] = None,
) -> None:
    """Sample from a run."""
    from pushforward.cli.sample import run as draw

    draw(run, output, n, steps, solver, cond, guidance, seed, device)


@app.command()
def evaluate(
    run: Run,
    n: Annotated[
        int | None,
        typer.Option("-n", "--n", metavar="N", help="Number of samples.", max=MOST, show_default="the run's"),
    ] = None,
) -> None:
    """Compare samples of a run with held-out data."""
    from pushforward.cli.evaluate import run as judge

    judge(run, n)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(parser=_path, metavar="RUN", help="Run folders.", show_default=False)],
    out: Annotated[
        Path, typer.Option(parser=_path, metavar="DIR", help="Where compare.csv and compare.png go.")
    ] = Path("runs/compare"),
) -> None:
    """Put runs side by side: table, figure, csv."""
    from pushforward.cli.compare import run

    run(runs, out)


@app.command()
def report(run: Run) -> None:
    """Write report.html, one self-contained page about a run."""
    from pushforward.cli.report import run as write

    write(run)


@app.command()
def bench(
    suites: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="SUITE", help="Suites.", show_default="all"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One seed and a small budget.")] = False,
    vs: Annotated[
        str, typer.Option(metavar="PEER,...", help="Peers to race, where installed.", show_default="none")
    ] = "",
    out: Annotated[Path, typer.Option(parser=_path, metavar="DIR", help="Where results.csv and figures go.")] = Path(
        "runs/bench"
    ),
) -> None:
    """Measure: ours, published figures and peers side by side."""
    from pushforward.cli.bench import run

    run(suites or [], quick, [peer for peer in vs.split(",") if peer], out)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(metavar="ID", help="One method, in full.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, for programs.")] = False,
) -> None:
    """List the methods there are, or show one with its formula."""
    from pushforward.cli.lists import methods as show

    show(name, as_json)


@app.command()
def recipes() -> None:
    """List the recipes there are."""
    from pushforward.cli.lists import recipes as show

    show()


@app.command()
def data() -> None:
    """List the data sets and readers there are."""
    from pushforward.cli.lists import data as show

    show()


@app.command()
def doctor() -> None:
    """Say what this machine has, and what would be used."""
    from pushforward.cli.doctor import run

    run()


def _version(wanted: bool) -> bool:
    if wanted:
        from pushforward import __version__

        typer.echo(f"pushforward {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Learn to move one probability distribution onto another."""


def _quieten() -> None:
    """Leave out what other libraries say to programmers: their warnings, logs, and the tracebacks of their threads."""
    logging.disable(logging.WARNING)
    threading.excepthook = lambda _: None  # who waits for the thread raises the error again
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module="pushforward")
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"


def _drain() -> None:
    """Bring what was said to its reader; on a full disk Python would complain again, and in its own way, at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()
        raise


def main() -> None:
    """Run the command line and exit: 0 done, 2 for what the user can mend, 1 for a failed run, 130 for Ctrl-C."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]  # welcome anywhere
    debug = len(arguments) < len(sys.argv) - 1
    if not debug:
        _quieten()
    try:
        code = app(args=arguments or ["--help"], prog_name="pushforward", standalone_mode=False)
        _drain()
    except Exception as error:
        from pushforward.cli.failure import heard, told

        if debug:
            traceback.print_exc()
        line, code = told(error)
        with suppress(OSError):
            _drain()
        if heard():
            print(f"error: {line}", file=sys.stderr)
    sys.exit(code or 0)
