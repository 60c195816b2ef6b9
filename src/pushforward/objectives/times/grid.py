"""The times of Euler's steps."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    r"""Only the times at which so many equal Euler steps ask for a velocity.

    .. math:: t \sim U\{0, \tfrac1K, \dots, \tfrac{K - 1}{K}\}

    For distillation: a network that is sampled with K steps needs to know no other times. There is no density; as a
    weight every time of the grid counts once.

    Args:
        steps: K >= 1.

    Example:
        >>> Grid(4).quantile(torch.tensor([0.0, 0.3, 0.6, 0.99]))
        tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """

    steps: int = 1

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"Grid needs at least one step, got steps={self.steps}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        return (q * self.steps).floor().clamp(max=self.steps - 1) / self.steps

    def density(self, t: Tensor) -> Tensor:
        """One for every time."""
        return torch.ones_like(t)
