"""Grids: where the steps of a solver begin and end.

A grid is a rule that knows how many steps there are, from where to where, and on which path; what it gives are the
times of `solve`. `by_error` measures one.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Path
from pushforward.solvers.grids.edm import EDM
from pushforward.solvers.grids.equal_jumps import EqualJumps
from pushforward.solvers.grids.log_snr import LogSNR
from pushforward.solvers.grids.placed import Placed, by_error
from pushforward.solvers.grids.uniform import Uniform

__all__ = ["EDM", "EqualJumps", "Grid", "LogSNR", "Placed", "Uniform", "by_error"]


@runtime_checkable
class Grid(Protocol):
    """Times at which steps begin and end."""

    def __call__(self, steps: int, *, span: tuple[float, float] = (0.0, 1.0), path: Path | None = None) -> Tensor:
        """`[steps + 1]` rising times from `span[0]` to `span[1]`, float64."""
        ...
