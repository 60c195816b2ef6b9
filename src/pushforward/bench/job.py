"""What a suite is told, and what it gives."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from pushforward.bench.results import Result

__all__ = ["Job", "Suite"]


class Job(NamedTuple):
    """`peers` are installed and asked for; pictures go to the folder `out`; `say` shows one line of progress."""

    peers: tuple[str, ...]
    out: Path
    say: Callable[[str], object]


@runtime_checkable
class Suite(Protocol):
    """A set of measurements."""

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """The rows of one case after the other, as they are measured."""
        ...
