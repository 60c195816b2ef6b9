"""What the command line says on standard output."""

import os
import shlex
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from pushforward.training import main_process

__all__ = ["command", "say", "table"]


def _console() -> Console:
    """Standard output; lines in files and pipes are as long as they need to be."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 1000
    return Console(highlight=False, width=wide)


def say(text: str) -> None:
    """Text as it is, from the first of several processes."""
    if not main_process():
        return
    _console().print(text, markup=False, soft_wrap=True)


def command(*words: str | Path) -> str:
    """A command to type next, quoted for the shell."""
    return shlex.join(["pushforward", *map(str, words)])


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table; the first column holds names, and columns of numbers are set to the right."""
    found = Table(header_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for k, column in enumerate(columns):
        right = any(row[k] for row in rows) and all(_is_number(row[k]) for row in rows)
        found.add_column(column, overflow="fold", no_wrap=k == 0, justify="right" if right else "left")
    for row in rows:
        found.add_row(*row)
    console = _console()
    console.print(title, style="bold", markup=False, soft_wrap=True)
    console.print(found)


def _is_number(cell: str) -> bool:
    try:
        return cell == "" or float(cell) is not None
    except ValueError:
        return False
