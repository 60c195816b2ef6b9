"""Times that thin out."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["Exponential"]


@dataclass(frozen=True)
class Exponential:
    r"""Exponential times, cut off at 1: most draws are early.

    .. math:: p(t) = \frac{e^{-t/s}}{s\,(1 - e^{-1/s})}, \qquad t = -s \ln\big(1 - q\,(1 - e^{-1/s})\big)

    Source: Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841, whose clock is 2 Exp(1): s = 2 / 7 on `Dirichlet(clock=7)`. Differs: what the
        paper draws beyond the end of sampling (3 in 100) is left out.

    Args:
        scale: s > 0, the mean of what is cut off nowhere.

    Example:
        >>> Exponential(2 / 7).quantile(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.1895, 1.0000])
    """

    scale: float = 2 / 7

    def __post_init__(self) -> None:
        require(0.01 <= self.scale < math.inf, f"Exponential needs a scale of at least 0.01, got {self.scale}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        return (-self.scale * torch.log1p(q * math.expm1(-1 / self.scale))).clamp(0.0, 1.0)

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        value = torch.exp(-t / self.scale) / (-self.scale * math.expm1(-1 / self.scale))
        return torch.where((t >= 0) & (t <= 1), value, 0.0)
