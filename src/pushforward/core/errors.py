"""Errors that a user can mend, and the one sentence each of them carries."""

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["Incompatible", "InvalidInput", "Mendable", "RunFailed", "nearest", "require", "require_part"]


class Mendable(Exception):
    """Something the user can put right; the command line prints it as one line and exits with 2."""


class InvalidInput(Mendable, ValueError):
    """A value that cannot be used: what came, what was wanted, what to do."""


class Incompatible(Mendable, TypeError):
    """Parts that make no sense together, refused when they are put together."""


class RunFailed(RuntimeError):
    """A run that started well and could not go on (non-finite numbers, lost worker); exit code 1."""


def require(condition: bool, message: str, error: type[Mendable] = InvalidInput) -> None:
    """Raise `error(message)` unless `condition` holds."""
    if not condition:
        raise error(message)


def require_part(name: str, part: Any, kind: Any, expected: str) -> None:
    """Raise `Incompatible` unless `part` is an instance of `kind`, a Protocol, class or union, and no class itself."""
    if isinstance(part, type):
        raise Incompatible(f"{name} is the class {part.__name__}, expected an instance; write {part.__name__}()")
    if not isinstance(part, kind):
        raise Incompatible(f"{name} is {part!r}, expected {expected}")


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The tail of an unknown-name message: the nearest valid name, or all of them.

    Example:
        >>> nearest("stpes", ["steps", "solver"])
        'did you mean steps?'
    """
    known = sorted(candidates)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
