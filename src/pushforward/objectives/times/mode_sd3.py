"""SD3's law with a mode in the middle and mass at the ends."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["ModeSD3"]


@dataclass(frozen=True)
class ModeSD3:
    r"""Times with a mode in the middle (s > 0) and positive density at both ends.

    .. math:: t = 1 - q - s\,\big(\cos^2(\tfrac{\pi q}{2}) - 1 + q\big)

    Decreasing in q and invariant under t -> 1 - t, so SD3's reversed time needs no change of sign.

    Source: Esser et al., Scaling Rectified Flow Transformers (2024), https://arxiv.org/abs/2403.03206, section 3.1.

    Args:
        s: Concentration, in [-1, 2/(pi - 2)]; 0 is uniform. SD3 uses 1.29.
    """

    s: float = 1.29

    def __post_init__(self) -> None:
        top = 2 / (math.pi - 2)
        require(-1 <= self.s <= top, f"ModeSD3 needs s in [-1, {top:.4f}], where it is monotone; got {self.s}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies: the formula at 1 - q, since it decreases."""
        r = 1.0 - q
        return 1.0 - r - self.s * ((math.pi / 2 * r).cos() ** 2 - 1.0 + r)

    def density(self, t: Tensor) -> Tensor:
        """p(t) = 1 / t'(q), with q found by bisection (t is monotone in q)."""
        low, high = torch.zeros_like(t), torch.ones_like(t)
        for _ in range(60):
            middle = (low + high) / 2
            below = self.quantile(middle) < t
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        r = 1.0 - (low + high) / 2
        slope = 1.0 + self.s * (1.0 - math.pi / 2 * (math.pi * r).sin())
        return torch.where((t >= 0) & (t <= 1), 1.0 / slope, 0.0)
