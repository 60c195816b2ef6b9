"""The schedule of score matching with Langevin dynamics, run from noise to data."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs, require

__all__ = ["VarianceExploding"]


@dataclass(frozen=True)
class VarianceExploding:
    r"""Data plus noise of falling width.

    .. math:: \alpha_t = 1, \qquad \sigma_t = \sigma_{\max}\,(\sigma_{\min}/\sigma_{\max})^{t}

    alpha_0 is 1, not 0: the state at t = 0 is `sigma_max` times a standard draw, up to the data's own spread.

    Source: Song et al., Score-Based Generative Modeling through SDEs (ICLR 2021), https://arxiv.org/abs/2011.13456,
        VE SDE; time reversed.

    Args:
        sigma_min: Width at the data end, in data units, > 0.
        sigma_max: Width at the noise end, > sigma_min.
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        require(
            0 < self.sigma_min < self.sigma_max,
            f"VarianceExploding needs 0 < sigma_min < sigma_max, got {self.sigma_min} and {self.sigma_max}",
        )

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        rate = math.log(self.sigma_min / self.sigma_max)
        sigma = self.sigma_max * (rate * t).exp()
        return Coeffs(torch.ones_like(t), sigma, torch.zeros_like(t), rate * sigma)

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` > 0."""
        return (rho * self.sigma_max).log() / math.log(self.sigma_max / self.sigma_min)
