"""Times that crowd at both ends."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["UShaped"]


@dataclass(frozen=True)
class UShaped:
    r"""Many times at both ends, few in the middle.

    .. math:: p(t) \propto e^{a t} + e^{a (1 - t)}, \qquad
              t = \tfrac12 + \tfrac1a\, \mathrm{asinh}\big((2 q - 1) \sinh \tfrac a2\big)

    (the quantile is derived: both terms together are a multiple of cosh(a (t - 1/2))). On the pairs of a trained flow
    the lines are nearly straight, and what is left to learn lies at the ends.

    Source: Zhang et al., Flow Straighter and Faster (2025), https://arxiv.org/abs/2511.23342, with a = 4; symmetric, so
        that the direction of time does not matter.

    Args:
        a: Steepness > 0; the ends are cosh(a / 2) times as dense as the middle.

    Example:
        >>> UShaped().quantile(torch.tensor([0.0, 0.25, 0.5, 1.0]))
        tensor([0.0000, 0.1608, 0.5000, 1.0000])
    """

    a: float = 4.0

    def __post_init__(self) -> None:
        require(0 < self.a <= 100, f"UShaped needs a steepness a in (0, 100], got {self.a}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        return (0.5 + torch.asinh((2 * q - 1) * math.sinh(self.a / 2)) / self.a).clamp(0.0, 1.0)

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        value = self.a / 2 * torch.cosh(self.a * (t - 0.5)) / math.sinh(self.a / 2)
        return torch.where((t >= 0) & (t <= 1), value, 0.0)
