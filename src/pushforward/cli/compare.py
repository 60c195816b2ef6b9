"""`pushforward compare`."""

from pathlib import Path
from typing import Any

from pushforward.cli.output import say, table
from pushforward.report import compare

__all__ = ["run"]


def run(folders: list[Path], out: Path) -> None:
    """Print a column for each run; write csv and figure."""
    found = compare(folders, out)
    rows = [[key, *(_text(row.get(key)) for row in found.rows)] for key in (*found.settings, *found.metrics)]
    table(f"{len(folders)} runs", ["", *(str(row["run"]) for row in found.rows)], rows)
    say(f"wrote {found.csv} and {found.figure}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
