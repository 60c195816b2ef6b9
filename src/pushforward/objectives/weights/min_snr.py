"""The denoising loss, weighted by a clipped signal-to-noise ratio."""

from dataclasses import dataclass, field

from torch import Tensor

from pushforward.core import Schedule, require
from pushforward.paths import CondOT

__all__ = ["MinSNR"]


@dataclass(frozen=True)
class MinSNR:
    r"""Makes the velocity loss the denoising loss weighted by a clipped signal-to-noise ratio.

    .. math:: w = \min(\alpha^2/\sigma^2,\ \gamma)\,(\sigma / W)^2

    Source: Hang et al., Efficient Diffusion Training via Min-SNR Weighting Strategy (ICCV 2023),
        https://arxiv.org/abs/2303.09556.

    Args:
        schedule: The path's schedule.
        gamma: Where the ratio is clipped, > 0.
    """

    schedule: Schedule = field(default_factory=CondOT)
    gamma: float = 5.0

    def __post_init__(self) -> None:
        require(self.gamma > 0, f"MinSNR needs gamma > 0, got {self.gamma}")

    def __call__(self, t: Tensor) -> Tensor:
        """w at times `[B]`."""
        c = self.schedule(t)
        ratio = (c.alpha / c.sigma).square().clamp(max=self.gamma)
        return ratio * (c.sigma / c.wronskian).square()
