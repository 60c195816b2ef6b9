"""Two laws at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require

if TYPE_CHECKING:
    from pushforward.objectives.simplex import SimplexLaw

__all__ = ["Mixed"]


@dataclass(frozen=True)
class Mixed:
    """`first` with probability `share`, else `second`: such as the edges and a little of the inside.

    Args:
        first: A law.
        second: Another, on the same simplex.
        share: In [0, 1].

    Raises: `InvalidInput` for laws of different simplices, or a share that is no probability.
    """

    first: "SimplexLaw"
    second: "SimplexLaw"
    share: float = 0.5

    def __post_init__(self) -> None:
        m, n = self.first.marginals, self.second.marginals
        require(m == n, f"Mixed got laws of {m} and {n} marginals; give both the same number")
        require(0 <= self.share <= 1, f"share is {self.share}, expected a probability")

    @property
    def marginals(self) -> int:
        """K."""
        return self.first.marginals

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """Draws `[size, K]`."""
        one, other = (law(size, like, generator=generator) for law in (self.first, self.second))
        return torch.where(rand((size, 1), like, generator=generator) < self.share, one, other)
