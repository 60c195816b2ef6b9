"""A bump that starts and ends at rest."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["SineSquared"]


@dataclass(frozen=True)
class SineSquared:
    r"""Noise that comes and goes smoothly: gamma' vanishes at both ends, where `Brownian`'s diverges.

    .. math:: \gamma_t = \varsigma\sin^2(\pi t), \qquad \gamma\gamma' = \pi\varsigma^2\sin^2(\pi t)\sin(2\pi t)

    The latent of the encoding-decoding interpolant: at t = 1/2 it is all that is left there.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797.

    Args:
        scale: Width at t = 1/2, in data units, >= 0.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.scale < math.inf, f"SineSquared needs a finite scale >= 0, got {self.scale}")

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """gamma and gamma gamma', each `[B]`."""
        bump = (math.pi * torch.minimum(t, 1.0 - t)).sin().square()  # exactly 0 at t = 1, where sin(pi t) is not
        return self.scale * bump, math.pi * self.scale**2 * bump * (2 * math.pi * t).sin()
