"""One self-contained page about a run."""

import base64
import shlex
import struct
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from pushforward.report.figures import save
from pushforward.report.markup import Markup, command, facts, highlight, scroll, section, tag
from pushforward.report.quality import quality
from pushforward.report.run import Run, load_run, part_name, quoted
from pushforward.report.scores import number
from pushforward.report.style import DPI, WIDTH
from pushforward.report.texts import texts
from pushforward.training.atomic import atomic_write

__all__ = ["report"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CAPTIONS = {
    "samples": (
        "Samples",
        "Generated samples and held-out real data, on the same scale. They should look like draws from one law.",
    ),
    "marginals": (
        "Column by column",
        "Histograms of each column: the line is generated, the filled shape held-out real data.",
    ),
    "pairs": (
        "Columns two at a time",
        "Below the diagonal generated, above it real: the two halves should mirror each other.",
    ),
    "trajectories": ("From source to data", "The way some of the samples took from the source to where they end."),
    "losses": ("Loss", "Loss at each step that was written down, as it was (light) and smoothed (dark)."),
}


def _facts(run: Run) -> Markup:
    """What was put together, in a line of words."""
    sampling, training = run.config.get("sampling"), run.config.get("training")
    parts = {
        name.capitalize(): part_name(run.config.get(name)) for name in ("data", "coupling", "path", "objective", "net")
    }
    if isinstance(training, Mapping):
        parts["Training steps"] = part_name(training.get("steps"))
    if isinstance(sampling, Mapping):
        solver, steps = part_name(sampling.get("solver")), part_name(sampling.get("steps"))
        parts["Sampling"] = " · ".join(filter(None, (solver, steps and f"{steps} steps")))
    parts["Seed"] = part_name(run.config.get("seed"))
    return facts({name: part for name, part in parts.items() if part})


def _picture(path: Path) -> Markup:
    title, caption = _CAPTIONS[path.stem]
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])  # the header of a PNG
    image = tag(
        "img",
        src="data:image/png;base64," + base64.b64encode(content).decode(),
        alt=f"{title}. {caption}",
        width=str(width),
        height=str(height),
        style=f"--share: {min(1, width / (WIDTH * DPI)):.3f}",  # pictures of all widths show type of one size
    )
    return tag("figure", scroll(title, image), tag("figcaption", tag("b", title + ". "), caption))


def _samples(run: Run, pictures: list[Path]) -> Markup:
    if run.samples is None:
        told = "No samples yet, so there are no pictures of them. To draw some:"
        return section("Samples", command(told, f"pushforward sample {quoted(run)} -o {quoted(run, 'samples.npz')}"))
    if run.symbols:
        return section("Samples", *texts(run))
    x = run.samples["x"]
    broken = int((~np.isfinite(x.reshape(len(x), -1))).any(1).sum())
    warning = [tag("p", f"{broken} of {len(x)} generated rows hold values that are not finite.", class_="warning")]
    return section("Samples", *warning[: int(broken > 0)], *map(_picture, pictures))


def _training(run: Run, pictures: list[Path]) -> Markup:
    if not run.history:
        return section(
            "Training", tag("p", "No training was written down in this folder (no metrics.jsonl).", class_="empty")
        )
    last = {key: value for row in run.history for key, value in row.items()}  # what was written last of each
    shown = {"Steps": "step", "Last loss": "loss", "Seconds": "seconds", "Steps per second": "steps_per_second"}
    told = facts({name: number(last[key]) for name, key in shown.items() if last.get(key) is not None})
    return section("Training", told, *map(_picture, pictures))


def _page(run: Run, pictures: list[Path]) -> Markup:
    version = run.config.get("version")
    again = shlex.quote(f"{run.path.resolve().name}-again")
    steps = (
        f"pushforward train {quoted(run, 'config.yaml')} --out {again}",
        f"pushforward evaluate {again}",
        f"pushforward report {again}",
    )
    css = files("pushforward.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # the page holds all it needs, and the browser is told so: nothing may be loaded or run
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{run.name} · pushforward"),
        tag("style", Markup(css)),
    )
    body = tag(
        "body",
        tag(
            "header",
            tag("p", "pushforward" + (f" {version}" if version is not None else ""), class_="over"),
            tag("h1", run.name),
            _facts(run),
        ),
        tag(
            "main",
            quality(run),
            _samples(run, [p for p in pictures if p.stem != "losses"]),
            _training(run, [p for p in pictures if p.stem == "losses"]),
            section(
                "Reproduce",
                command(
                    "From the folder that holds this run; the configuration below has every setting and the seed.",
                    *steps,
                ),
            ),
            section("Configuration", highlight(run.text)),
        ),
    )
    return Markup("<!doctype html>\n" + tag("html", head, body, lang="en") + "\n")


def report(run: Path) -> Path:
    """Draw the pictures of the run in folder `run` and write `report.html` there, one page that needs no other file.

    It holds the figures of merit with their floors, the pictures, how training went, how to do it again, and the whole
    configuration. What the folder does not have yet the page says in words. The same folder gives the same page.

    Raises: `InvalidInput` when the folder is no run, one of its files is broken, or the page cannot be written.
    """
    loaded = load_run(run)
    path = run / "report.html"
    atomic_write(path, _page(loaded, save(loaded)).encode())
    return path
