"""How the rows of a batch of features are driven apart."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.objectives.repulsions.covariance import Covariance
from pushforward.objectives.repulsions.hinge import Hinge
from pushforward.objectives.repulsions.infonce import CosineInfoNCE, InfoNCE

__all__ = ["CosineInfoNCE", "Covariance", "Hinge", "InfoNCE", "Repulsion"]


@runtime_checkable
class Repulsion(Protocol):
    """A scalar that falls as rows move apart."""

    def __call__(self, h: Tensor) -> Tensor:
        """Of features `[B, D]`, in float32 at least; 0 for a single row, which has nothing to leave."""
        ...
