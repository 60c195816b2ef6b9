"""A gap of some law, anywhere it fits."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.objectives.flow_maps.interval import Interval, joined
from pushforward.objectives.times import LogitNormal, TimeLaw

__all__ = ["UniformStart"]


@dataclass(frozen=True)
class UniformStart:
    r"""Intervals of random length, placed uniformly.

    .. math:: t - s = g \sim p, \qquad s \sim U(0, 1 - g)

    Source: one of two readings of Sabour et al., Align Your Flow (2025), https://arxiv.org/abs/2506.14603; the paper's
        law is not settled here.

    Args:
        gap: p.
        still: Share of the rows with t = s, in [0, 1].

    Example:
        >>> s, t, _ = UniformStart()(100, torch.zeros(100, 2))
        >>> bool((s >= 0).all() & (t <= 1).all() & (s < t).all())
        True
    """

    gap: TimeLaw = field(default_factory=lambda: LogitNormal(-0.6, 1.6))
    still: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.still <= 1, f"still is a share of the rows, got {self.still}; choose one in [0, 1]")

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Interval:
        """Draws for `size` rows."""
        q, place = rand((2, size), like, generator=generator).unbind(0)
        gap = self.gap.quantile(q)
        s = place * (1 - gap)
        return joined(s, torch.clamp(s + gap, max=1.0), self.still)
