"""Laws of a point on the simplex: where the conditional means of K marginals are learned."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Gen
from pushforward.objectives.simplex.flat import Flat
from pushforward.objectives.simplex.mixed import Mixed
from pushforward.objectives.simplex.on_curves import OnCurves

__all__ = ["Flat", "Mixed", "OnCurves", "SimplexLaw"]


@runtime_checkable
class SimplexLaw(Protocol):
    """A law of weights of K marginals."""

    @property
    def marginals(self) -> int:
        """K."""
        ...

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """Draws `[size, K]` on the device of `like`, in its floating dtype but float32 at least."""
        ...
