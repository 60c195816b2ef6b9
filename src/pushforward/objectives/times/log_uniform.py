"""Times whose distance to the data is log-uniform."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["LogUniform"]


@dataclass(frozen=True)
class LogUniform:
    r"""As many times in every octave of 1 - t, the scale on which x_t still blurs the data.

    .. math:: t = 1 - a^q, \qquad p(t) = \frac{1}{(1 - t)\, \log(1/a)} \quad \text{on } [0,\ 1 - a]

    For data with structure on many scales, such as events on the earth: what is as wide as s is learned at 1 - t near
    s, and uniform times leave a share s to all that is finer. On `CondOT` the log-odds of signal and noise are then
    close to uniform late in time, as in Kingma et al., Variational Diffusion Models (NeurIPS 2021),
    https://arxiv.org/abs/2107.00630. Behind 1 - a nothing is learned.

    Args:
        finest: a, in (0, 1); the scale of the finest structure, in units of the way from noise to data.

    Raises: `InvalidInput` for a scale out of range.

    Example:
        >>> LogUniform(0.01).quantile(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.9000, 0.9900])
    """

    finest: float = 1e-3

    def __post_init__(self) -> None:
        require(0 < self.finest < 1, f"LogUniform needs a finest scale in (0, 1), got {self.finest}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        return -(q * math.log(self.finest)).expm1()

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        inside = (t >= 0) & (t <= 1 - self.finest)
        return torch.where(inside, -1 / (math.log(self.finest) * (1 - t.clamp(max=1 - self.finest))), 0.0)
