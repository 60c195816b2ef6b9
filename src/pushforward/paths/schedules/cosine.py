"""A quarter of a circle."""

import math
from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["Cosine"]


@dataclass(frozen=True)
class Cosine:
    r"""Quarter circle: the variance of standardised data stays one.

    .. math:: \alpha_t = \sin\tfrac{\pi t}{2}, \qquad \sigma_t = \cos\tfrac{\pi t}{2}

    Source: Albergo & Vanden-Eijnden, Building Normalizing Flows with Stochastic Interpolants (ICLR 2023),
        https://arxiv.org/abs/2209.15571, the trigonometric interpolant.
    """

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        half = math.pi / 2
        alpha, sigma = (half * t).sin(), (half * t).cos().clamp_min(0.0)  # float32 rounds pi / 2 up: cos < 0
        return Coeffs(alpha, sigma, half * sigma, -half * alpha)

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0."""
        return rho.atan() * (2 / math.pi)
