"""The denoising loss, weighted by a clipped signal-to-noise ratio."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs, require

__all__ = ["MinSNR"]


@dataclass(frozen=True)
class MinSNR:
    r"""The denoising loss weighted by a clipped signal-to-noise ratio, whatever the head.

    .. math:: \min(\alpha^2/\sigma^2,\ \gamma)\, |\delta D|^2

    Source: Hang et al., Efficient Diffusion Training via Min-SNR Weighting Strategy (ICCV 2023),
        https://arxiv.org/abs/2303.09556.

    Args:
        gamma: Where the ratio is clipped, > 0.
    """

    gamma: float = 5.0

    def __post_init__(self) -> None:
        require(self.gamma > 0, f"MinSNR needs gamma > 0, got {self.gamma}")

    def error(self, c: Coeffs) -> Tensor:
        """min(alpha, sqrt(gamma) sigma)."""
        return torch.minimum(c.alpha, self.gamma**0.5 * c.sigma)
