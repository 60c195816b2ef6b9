"""Powers of time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs, require

__all__ = ["Polynomial"]


@dataclass(frozen=True)
class Polynomial:
    r"""Straight lines, followed at the speed of a power of time.

    .. math:: \alpha_t = t^n, \qquad \sigma_t = 1 - t^n

    Source: Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264, polynomial scheduler.

    Args:
        n: Power, >= 1. Above 1 the path starts with zero speed, so at t = 0 the velocity does not tell the ends.
    """

    n: float = 2.0

    def __post_init__(self) -> None:
        require(self.n >= 1, f"Polynomial needs a power n >= 1, got {self.n}: below 1 the speed at t = 0 is infinite")

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        alpha, d_alpha = t**self.n, self.n * t ** (self.n - 1.0)
        return Coeffs(alpha, 1.0 - alpha, d_alpha, -d_alpha)

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0."""
        return torch.where(rho.isinf(), 1.0, rho / (1.0 + rho)) ** (1.0 / self.n)
