"""Two times drawn from one law, in order."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.objectives.flow_maps.interval import Interval, joined
from pushforward.objectives.times import LogitNormal, TimeLaw

__all__ = ["SortedPair"]


@dataclass(frozen=True)
class SortedPair:
    r"""The earlier and the later of two independent times, or one time twice.

    .. math:: s = \min(a, b), \quad t = \max(a, b), \qquad a, b \sim p

    Source: Geng et al., Mean Flows for One-step Generative Modeling (2025), https://arxiv.org/abs/2505.13447, whose
        logit-normal mean -0.4 counts time from the data.

    Args:
        times: p.
        still: Share of the rows with t = s, in [0, 1]; they learn the velocity.

    Example:
        >>> s, t, still = SortedPair(still=0.5)(4, torch.zeros(4, 2))
        >>> bool((s <= t).all()), bool((s[:still] == t[:still]).all())
        (True, True)
    """

    times: TimeLaw = field(default_factory=lambda: LogitNormal(0.4))
    still: float = 0.25

    def __post_init__(self) -> None:
        require(0 <= self.still <= 1, f"still is a share of the rows, got {self.still}; choose one in [0, 1]")

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Interval:
        """Draws for `size` rows."""
        a, b = self.times.quantile(rand((2, size), like, generator=generator)).unbind(0)
        return joined(torch.minimum(a, b), torch.maximum(a, b), self.still)
