"""The straight schedule."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs, require

__all__ = ["CondOT"]


@dataclass(frozen=True)
class CondOT:
    r"""Straight lines at constant speed.

    .. math:: \alpha_t = t, \qquad \sigma_t = 1 - (1 - \sigma_{\min})\,t, \qquad \rho = \alpha/\sigma

    Source: Lipman et al., Flow Matching for Generative Modeling (ICLR 2023), https://arxiv.org/abs/2210.02747, the
        conditional OT path; `sigma_min = 0` is rectified flow's.

    Args:
        sigma_min: Width of the kernel left around each datum at t = 1, in units of the source, [0, 1).
    """

    sigma_min: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.sigma_min < 1, f"CondOT needs sigma_min in [0, 1), got {self.sigma_min}")

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        keep = 1.0 - self.sigma_min
        return Coeffs(t, 1.0 - keep * t, torch.ones_like(t), torch.full_like(t, -keep))

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0."""
        return torch.where(rho.isinf(), 1.0, rho / (1.0 + (1.0 - self.sigma_min) * rho))
