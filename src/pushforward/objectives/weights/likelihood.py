"""The weight of the variational bound."""

from dataclasses import dataclass, field

from torch import Tensor

from pushforward.core import Schedule
from pushforward.paths import CondOT

__all__ = ["Likelihood"]


@dataclass(frozen=True)
class Likelihood:
    r"""Makes the velocity loss the variational bound on the likelihood, up to a constant and a factor d.

    .. math:: w = \frac{\alpha}{\sigma W} \qquad (\text{CondOT: } t / (1 - t))

    Not integrable at t = 1: draw times up to a cut-off (`Uniform(high=1 - 1e-3)`).

    Source: Kingma et al., Variational Diffusion Models (NeurIPS 2021), https://arxiv.org/abs/2107.00630.

    Args:
        schedule: The path's schedule.
    """

    schedule: Schedule = field(default_factory=CondOT)

    def __call__(self, t: Tensor) -> Tensor:
        """w at times `[B]`."""
        c = self.schedule(t)
        return c.alpha / (c.sigma * c.wronskian)
