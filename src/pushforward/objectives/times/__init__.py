"""Laws of the training time, given by their quantiles, and how the uniform numbers behind them are drawn."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.objectives.times.beta import Beta
from pushforward.objectives.times.draws import Antithetic, Draw, Independent, Stratified
from pushforward.objectives.times.exponential import Exponential
from pushforward.objectives.times.grid import Grid
from pushforward.objectives.times.importance import Importance
from pushforward.objectives.times.inverse_rate import InverseRate
from pushforward.objectives.times.log_uniform import LogUniform
from pushforward.objectives.times.logit_normal import LogitNormal
from pushforward.objectives.times.mode_sd3 import ModeSD3
from pushforward.objectives.times.u_shaped import UShaped
from pushforward.objectives.times.uniform import Uniform

__all__ = [
    "Antithetic",
    "Beta",
    "Draw",
    "Exponential",
    "Grid",
    "Importance",
    "Independent",
    "InverseRate",
    "LogUniform",
    "LogitNormal",
    "ModeSD3",
    "Stratified",
    "TimeLaw",
    "UShaped",
    "Uniform",
]


@runtime_checkable
class TimeLaw(Protocol):
    """A law of times on [0, 1]; `t = quantile(q)` with q uniform draws from it."""

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies; increasing."""
        ...

    def density(self, t: Tensor) -> Tensor:
        """p(t), for importance weights: E_p[w l] = E_q[(p/q) w l]."""
        ...
