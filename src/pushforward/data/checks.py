"""Checks that data pass once, where they are born."""

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["require_finite", "require_fraction"]


def require_finite(x: Shaped[Tensor, " *shape"], what: str, columns: Sequence[str] | None = None) -> None:
    """Raise `InvalidInput` naming the row and the column of the first NaN or infinity.

    Example:
        >>> require_finite(torch.tensor([[1.0, float("nan")]]), "x")
        Traceback (most recent call last):
        ...
        pushforward.core.errors.InvalidInput: x holds nan at row 0, column 1 (counted from 0); remove or fill such rows
    """
    if not x.is_floating_point() or bool(torch.isfinite(x).all()):
        return
    row, *place = torch.isfinite(x).logical_not().nonzero()[0].tolist()
    if columns is not None:
        where = f", column {columns[place[0]]!r}"
    else:
        where = f", column {place[0]}" if len(place) == 1 else f", index {place}" if place else ""
    value = x[(row, *place)].item()
    raise InvalidInput(f"{what} holds {value} at row {row}{where} (counted from 0); remove or fill such rows")


def require_fraction(fraction: float) -> None:
    """Raise `InvalidInput` unless `fraction` leaves something on both sides of a split."""
    require(0 < fraction < 1, f"test_fraction is {fraction}, expected a number between 0 and 1, ends excluded")
