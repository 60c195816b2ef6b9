"""Ends that stay where they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["Mirror"]


@dataclass(frozen=True)
class Mirror:
    r"""From the data into noise and back to the data: only the latent moves.

    .. math:: \alpha_t = 1, \qquad \sigma_t = 0, \qquad x_t = x_1 + \gamma_t z

    The path starts at x1, not at x0, so sampling starts from data and gives other data; the velocity is
    :math:`\gamma' \eta`, all that `LatentNoise` has to know. Without a latent nothing moves.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797, the
        mirror interpolant.
    """

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        none = torch.zeros_like(t)
        return Coeffs(torch.ones_like(t), none, none, none)
