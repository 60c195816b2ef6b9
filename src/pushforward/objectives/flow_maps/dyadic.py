"""Intervals of a dyadic grid."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.objectives.flow_maps.interval import Interval, joined

__all__ = ["Dyadic"]


@dataclass(frozen=True)
class Dyadic:
    r"""Halves, quarters, ... of the unit interval, down to two steps of 1/M, and single times of that finest grid.

    .. math:: t - s = 2^{-k}, \quad k \sim U\{0, \dots, \log_2 M - 1\}, \qquad s \sim U\{0, 2^{-k}, \dots, 1 - 2^{-k}\}

    Source: Frans et al., One Step Diffusion via Shortcut Models (ICLR 2025), https://arxiv.org/abs/2410.12557.

    Args:
        levels: log2 M, >= 1; the finest grid has M = 2^levels steps, whose velocities are learned.
        still: Share of the rows with t = s, in [0, 1].

    Example:
        >>> Dyadic(1, still=0.0)(3, torch.zeros(3, 2))
        Interval(s=tensor([0., 0., 0.]), t=tensor([1., 1., 1.]), still=0)
    """

    levels: int = 7
    still: float = 0.75

    def __post_init__(self) -> None:
        require(self.levels >= 1, f"Dyadic needs at least one level, got levels={self.levels}")
        require(0 <= self.still <= 1, f"still is a share of the rows, got {self.still}; choose one in [0, 1]")

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Interval:
        """Draws for `size` rows."""
        k, place = rand((2, size), like, generator=generator).unbind(0)
        gap = torch.exp2(-(k * self.levels).floor())
        s = (place / gap).floor() * gap
        finest = 2.0**-self.levels
        still = round(self.still * size)
        s = torch.cat([(place[:still] / finest).floor() * finest, s[still:]])
        return joined(s, s + gap, self.still)
