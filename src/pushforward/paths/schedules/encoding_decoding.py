"""To noise and back."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["EncodingDecoding"]


@dataclass(frozen=True)
class EncodingDecoding:
    r"""The source is encoded into noise by t = 1/2, and the noise decoded into the data.

    .. math:: \sigma_t = \cos^2(\pi t)\,[t \le \tfrac12], \qquad \alpha_t = \cos^2(\pi t)\,[t \ge \tfrac12]

    Only one end counts at a time: the ratio alpha / sigma jumps from 0 to infinity, so there is no `time_at_snr`, and
    at t = 1/2 nothing but latent noise is left: `Affine` refuses it with a latent that vanishes there. The paper's
    choice is `Affine(EncodingDecoding(), SineSquared())`, whose marginal at t = 1/2 is N(0, I) for all ends.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797, the
        encoding-decoding interpolant (alpha multiplies x0 there).
    """

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]; all derivatives that meet at t = 1/2 are 0."""
        wave, slope = (math.pi * t).cos().square(), -math.pi * (2 * math.pi * t).sin()
        late, none = t >= 0.5, torch.zeros_like(t)
        return Coeffs(
            alpha=torch.where(late, wave, none),
            sigma=torch.where(late, none, wave),
            d_alpha=torch.where(late, slope, none),
            d_sigma=torch.where(late, none, slope),
        )
