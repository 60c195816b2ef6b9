"""A velocity loss that is the denoiser's."""

from dataclasses import dataclass, field

from torch import Tensor

from pushforward.core import Schedule
from pushforward.paths import CondOT

__all__ = ["EndpointLoss"]


@dataclass(frozen=True)
class EndpointLoss:
    r"""Makes the velocity loss equal the unweighted denoising loss.

    .. math:: w = (\sigma / W)^2

    Args:
        schedule: The path's schedule.
    """

    schedule: Schedule = field(default_factory=CondOT)

    def __call__(self, t: Tensor) -> Tensor:
        """w at times `[B]`."""
        c = self.schedule(t)
        return (c.sigma / c.wronskian).square()
