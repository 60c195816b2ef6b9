"""From any time to the end of its segment."""

from dataclasses import dataclass, field

from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.fields import segment_end
from pushforward.objectives.flow_maps.interval import Interval
from pushforward.objectives.times import TimeLaw, Uniform

__all__ = ["ToEnd"]


@dataclass(frozen=True)
class ToEnd:
    r"""Intervals that end where a segment of equal length ends; with one segment, at the data.

    .. math:: s \sim p, \qquad t = \frac{\lfloor K s \rfloor + 1}{K}

    Source: Song et al., Consistency Models (ICML 2023), https://arxiv.org/abs/2303.01469, for one segment; Yang et al.,
        Consistency Flow Matching (2024), https://arxiv.org/abs/2407.02398, for several.

    Args:
        times: p.
        segments: K >= 1.

    Example:
        >>> bool((ToEnd(segments=2)(8, torch.zeros(8, 2)).t * 2 % 1 == 0).all())
        True
    """

    times: TimeLaw = field(default_factory=Uniform)
    segments: int = 1

    def __post_init__(self) -> None:
        require(self.segments >= 1, f"ToEnd needs at least one segment, got segments={self.segments}")

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Interval:
        """Draws for `size` rows."""
        s = self.times.quantile(rand((size,), like, generator=generator))
        return Interval(s, segment_end(s, self.segments), 0)
