"""Linear in the data, variance preserving."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["LinearVP"]

LATEST = 1.0 - 1e-5  # where the diverging derivative of sigma is held


@dataclass(frozen=True)
class LinearVP:
    r"""Variance preserving, linear in the data.

    .. math:: \alpha_t = t, \qquad \sigma_t = \sqrt{1 - t^2}

    sigma' diverges like a square root at t = 1; it is held at its value at t = 1 - 1e-5 from there on.

    Source: Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264, linear VP scheduler.
    """

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        held = t.clamp(max=LATEST)
        sigma = ((1.0 - t) * (1.0 + t)).clamp_min(0.0).sqrt()
        return Coeffs(t, sigma, torch.ones_like(t), -held * ((1.0 - held) * (1.0 + held)).rsqrt())

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0."""
        return rho.atan().sin()
