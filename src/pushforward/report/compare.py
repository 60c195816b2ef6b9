"""Runs side by side: one table, one picture."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pushforward.core import require
from pushforward.report.compare_bars import compare_bars
from pushforward.report.run import load_run
from pushforward.report.scores import scores
from pushforward.report.style import png
from pushforward.training.atomic import atomic_write

__all__ = ["Comparison", "compare"]


class Comparison(NamedTuple):
    """What tells runs apart and how each did.

    `rows` has a mapping per run with the keys `run`, `settings` (dotted keys of config.yaml that differ), and `metrics`
    (each followed by its floor where one was measured); None where a run has no such entry. `csv` and `figure` are the
    files written.
    """

    settings: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    csv: Path
    figure: Path


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _names(paths: Sequence[Path]) -> list[str]:
    """The shortest tails of the paths that tell them apart."""
    parts = [path.resolve().parts for path in paths]
    require(len(set(parts)) == len(parts), "a run is named twice; name each run once")
    depth = 1
    while len({part[-depth:] for part in parts}) < len(parts):
        depth += 1
    return ["/".join(part[-depth:]) for part in parts]


def compare(runs: Sequence[Path], out: Path) -> Comparison:
    """Write `compare.csv` and `compare.png` to the folder `out`, and give the table.

    Args:
        runs: Run folders, one or more, of which at least one has been evaluated.
        out: Folder to write to; made if it is not there.

    Raises: `InvalidInput` when a folder is no run, a run is named twice, none was evaluated, or `out` cannot be
        written.
    """
    require(bool(runs), "there is no run to compare; name one run folder or more")
    loaded = dict(zip(_names(runs), map(load_run, runs), strict=True))
    found = {name: scores(run.metrics) for name, run in loaded.items()}
    figure = png(compare_bars(found))

    configs = {name: _flat(run.config) for name, run in loaded.items()}
    keys = list(dict.fromkeys(key for config in configs.values() for key in config))
    settings = tuple(key for key in keys if len({repr(config.get(key)) for config in configs.values()}) > 1)
    cells = {name: {s.name: s.value for s in row} for name, row in found.items()}
    for name, row in found.items():
        cells[name] |= {f"{s.name}_floor": s.floor for s in row if s.floor is not None}
    measured = dict.fromkeys(score.name for row in found.values() for score in row)
    columns = (key for name in measured for key in (name, f"{name}_floor"))
    metrics = tuple(key for key in columns if any(key in row for row in cells.values()))
    rows = tuple(
        {"run": name}
        | {key: configs[name].get(key) for key in settings}
        | {key: cells[name].get(key) for key in metrics}
        for name in loaded
    )

    text = io.StringIO()
    table = csv.DictWriter(text, ["run", *settings, *metrics], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    atomic_write(out / "compare.csv", text.getvalue().encode())
    atomic_write(out / "compare.png", figure)
    return Comparison(settings, metrics, rows, out / "compare.csv", out / "compare.png")
