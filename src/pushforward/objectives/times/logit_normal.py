"""Times whose logit is normal."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["LogitNormal"]


@dataclass(frozen=True)
class LogitNormal:
    r"""Logit-normal times: few at both ends, most around sigmoid(mean).

    .. math:: t = \mathrm{sigmoid}(m + s\,\Phi^{-1}(q)), \qquad
              p(t) = \frac{1}{s\sqrt{2\pi}\,t(1-t)} \exp\!\Big(-\frac{(\mathrm{logit}\,t - m)^2}{2s^2}\Big)

    The density is 0 at both ends, so the first and last sampling steps are trained least.

    Source: Esser et al., Scaling Rectified Flow Transformers (2024), https://arxiv.org/abs/2403.03206, where t = 1 is
        noise: the sign of `mean` is flipped here. EDM's law of noise levels is exactly mean 1.2, scale 1.2 on CondOT.

    Args:
        mean: m, in logits; positive means more times near the data.
        scale: s > 0, in logits.
    """

    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        require(self.scale > 0, f"LogitNormal needs a scale > 0, got {self.scale}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        return torch.sigmoid(self.mean + self.scale * torch.special.ndtri(q))

    def density(self, t: Tensor) -> Tensor:
        """p(t), 0 at both ends."""
        z = (torch.logit(t) - self.mean) / self.scale
        inside = (t > 0) & (t < 1)
        value = (-0.5 * z * z).exp() / (self.scale * math.sqrt(2 * math.pi) * t * (1 - t))
        return torch.where(inside, value, 0.0)
