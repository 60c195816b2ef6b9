"""A velocity loss that is the noise predictor's."""

from dataclasses import dataclass, field

from torch import Tensor

from pushforward.core import Schedule
from pushforward.paths import CondOT

__all__ = ["NoiseLoss"]


@dataclass(frozen=True)
class NoiseLoss:
    r"""Makes the velocity loss equal the unweighted noise-prediction loss of DDPM.

    .. math:: w = (\alpha / W)^2

    Args:
        schedule: The path's schedule.
    """

    schedule: Schedule = field(default_factory=CondOT)

    def __call__(self, t: Tensor) -> Tensor:
        """w at times `[B]`."""
        c = self.schedule(t)
        return (c.alpha / c.wronskian).square()
