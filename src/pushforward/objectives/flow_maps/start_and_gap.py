"""A start of one law, a gap of another."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.objectives.flow_maps.interval import Interval, joined
from pushforward.objectives.times import LogitNormal, TimeLaw, UShaped

__all__ = ["StartAndGap"]


@dataclass(frozen=True)
class StartAndGap:
    r"""Intervals whose start and length are drawn apart, cut off at the data.

    .. math:: s \sim p, \quad g \sim q, \qquad t = \min(1, s + g), \qquad
              t = 1 \text{ if } s < s_c \text{ and } t > t_c

    The last is the corner rule: a long interval that begins near the noise goes all the way, as one step does.

    Source: Zhang et al., Flow Straighter and Faster (2025), https://arxiv.org/abs/2511.23342, where time runs from data
        to noise. Differs: the start is not kept 1/81 away from the noise, which only that paper's network needs.

    Args:
        start: p.
        gap: q.
        corner: (s_c, t_c), or None for no such rule.
        still: Share of the rows with t = s, in [0, 1]; they learn the velocity.

    Example:
        >>> s, t, _ = StartAndGap(still=0.0)(1000, torch.zeros(1000, 2))
        >>> bool((t[s < 0.2] > 0.6).logical_and(t[s < 0.2] < 1).any())
        False
    """

    start: TimeLaw = field(default_factory=UShaped)
    gap: TimeLaw = field(default_factory=lambda: LogitNormal(-0.8))
    corner: tuple[float, float] | None = (0.2, 0.6)
    still: float = 0.75

    def __post_init__(self) -> None:
        require(0 <= self.still <= 1, f"still is a share of the rows, got {self.still}; choose one in [0, 1]")
        require(
            self.corner is None or (len(self.corner) == 2 and all(0 <= c <= 1 for c in self.corner)),
            f"corner is {self.corner}, expected two times in [0, 1], or None",
        )

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Interval:
        """Draws for `size` rows."""
        q, r = rand((2, size), like, generator=generator).unbind(0)
        s = self.start.quantile(q)
        t = (s + self.gap.quantile(r)).clamp(max=1.0)
        if self.corner is not None:
            early, late = self.corner
            t = torch.where((s < early) & (t > late), 1.0, t)
        return joined(s, t, self.still)
