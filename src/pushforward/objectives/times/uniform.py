"""Every time alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform:
    r"""Uniform times, truncated if wanted.

    .. math:: t = a + (b - a)\,q, \qquad p(t) = \tfrac{1}{b - a}

    Args:
        low: a, in [0, 1).
        high: b, in (a, 1].
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.low < self.high <= 1, f"Uniform needs 0 <= low < high <= 1, got {self.low} and {self.high}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        if (self.low, self.high) == (0, 1):
            return q
        return torch.lerp(torch.full_like(q, self.low), torch.full_like(q, self.high), q)

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        return torch.where((t >= self.low) & (t <= self.high), 1.0 / (self.high - self.low), 0.0).to(t.dtype)
