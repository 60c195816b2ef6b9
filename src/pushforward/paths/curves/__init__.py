"""Weights of K anchors along a time: curves on the simplex, and interpolation through anchors on a time axis."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.paths.curves.learned import LearnedCurve
from pushforward.paths.curves.pairwise import Pairwise
from pushforward.paths.curves.polyline import Polyline
from pushforward.paths.curves.spline import NaturalSpline

__all__ = ["Curve", "LearnedCurve", "NaturalSpline", "Pairwise", "Polyline"]


@runtime_checkable
class Curve(Protocol):
    """Times `[B]` in [0, 1] to weights a `[B, K]`, which sum to 1, and their derivatives a' `[B, K]`."""

    @property
    def marginals(self) -> int:
        """K."""
        ...

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        ...
