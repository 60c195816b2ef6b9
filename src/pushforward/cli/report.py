"""`pushforward report`."""

from pathlib import Path

from pushforward.cli.output import say
from pushforward.report import report

__all__ = ["run"]


def run(folder: Path) -> None:
    """Write the figures and the page."""
    say(f"wrote {report(folder)}")
