"""What a bench measured, and the csv that keeps it."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

from pushforward.core import InvalidInput
from pushforward.training import atomic_write

__all__ = ["Result", "Results"]


class Result(NamedTuple):
    """One number: `metric` of `method` on `case`, in `unit` ("" for none).

    `seed` is None where no single seed made it; `source` says who measured: "ours", "published", a peer's
    name, or "reference" for an independent run of the same benchmark.
    """

    suite: str
    case: str
    method: str
    metric: str
    value: float
    unit: str
    seed: int | None
    source: str


class Results:
    """The rows of a `results.csv`, on disk after every `add`.

    Rows that the file holds already stay; one that is measured again replaces its former self. So a bench that was
    killed keeps what it measured, and suites or peers may be run one after the other into one folder.

    Args:
        path: The file; read when it is there.

    Raises: `InvalidInput` when the file is there and is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = {_key(row): row for row in _read(path)}

    def add(self, *rows: Result) -> None:
        """Take in rows and write the file."""
        self._rows |= {_key(row): row for row in rows}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Result._fields)
        writer.writerows(self._rows.values())
        atomic_write(self.path, text.getvalue().encode())


def _key(row: Result) -> tuple[str | int | None, ...]:
    return tuple(getattr(row, name) for name in Result._fields if name not in ("value", "unit"))


def _read(path: Path) -> list[Result]:
    try:
        if not path.exists():
            return []
        lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        return [
            Result(**{**line, "value": float(line["value"]), "seed": int(line["seed"]) if line["seed"] else None})
            for line in lines
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidInput(f"{path} is no table of results; choose another folder with --out, or delete it") from None
