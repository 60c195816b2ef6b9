"""The bridge of Brownian motion."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["Brownian"]


@dataclass(frozen=True)
class Brownian:
    r"""Noise of a Brownian bridge between the ends.

    .. math:: \gamma_t = \varsigma\sqrt{t(1-t)}, \qquad \gamma\gamma' = \tfrac12\varsigma^2(1 - 2t)

    gamma' alone diverges at both ends, the product does not: that is why latents give the product.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797.

    Args:
        scale: Volatility of the bridge, in data units per square root of time, >= 0; the paper's sqrt(a t (1 - t)) has
            scale = sqrt(a).
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.scale < math.inf, f"Brownian needs a finite scale >= 0, got {self.scale}")

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """gamma and gamma gamma', each `[B]`."""
        gamma = self.scale * (t * (1.0 - t)).clamp_min(0.0).sqrt()
        return gamma, self.scale**2 * (0.5 - t)

    def level(self, t: Tensor) -> Tensor:
        """eps `[B]` at which the SDE of a path is a diffusion of the bridge's own volatility: scale^2 / 2."""
        return torch.full_like(t, 0.5 * self.scale**2)
