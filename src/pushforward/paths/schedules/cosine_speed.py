"""Straight lines that start slowly, as a cosine does."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["CosineSpeed"]


@dataclass(frozen=True)
class CosineSpeed:
    r"""Straight lines, followed at the speed of a sine.

    .. math:: \alpha_t = 1 - \cos\tfrac{\pi t}{2}, \qquad \sigma_t = \cos\tfrac{\pi t}{2}

    On a `Mixture` of tokens sigma is the share of masks: few symbols are shown while little is known. It starts with
    zero speed, so at t = 0 the velocity does not tell the ends.

    Source: Chang et al., MaskGIT (CVPR 2022), https://arxiv.org/abs/2202.04200, the cosine schedule of its mask ratio.
    """

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        half = math.pi / 2
        alpha, speed = 2 * (half / 2 * t).sin().square(), half * (half * t).sin()
        return Coeffs(alpha, (1 - alpha).clamp_min(0.0), speed, -speed)

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0."""
        alpha = torch.where(rho.isinf(), 1.0, rho / (1.0 + rho))
        return (4 / math.pi) * (alpha / 2).sqrt().asin()
