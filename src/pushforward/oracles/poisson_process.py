"""Events that know nothing of each other."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Events, Gen, require
from pushforward.oracles.event_draws import drawn

__all__ = ["PoissonProcess"]


@dataclass(frozen=True)
class PoissonProcess:
    r"""The homogeneous Poisson process.

    .. math:: \log p = m \log \lambda - \lambda\, t_\mathrm{end}

    Args:
        rate: Events per unit of time, > 0.

    Example:
        >>> PoissonProcess(2.0).log_prob(Events.at([[0.5]], end=1.0))
        tensor([-1.3069])
    """

    rate: float = 1.0

    def __post_init__(self) -> None:
        require(self.rate > 0, f"PoissonProcess.rate is {self.rate}, expected a positive number")

    @classmethod
    def fit(cls, events: Events) -> "PoissonProcess":
        """The most likely one: all events over all time."""
        return cls(float(events.number.sum() / events.end.double().sum()))

    def log_prob(self, events: Events) -> Float[Tensor, " b"]:
        """Log-density of every row, in nats."""
        return torch.log(events.end.new_tensor(self.rate)) * events.number - self.rate * events.end

    def compensators(self, events: Events) -> Float[Tensor, "b length"]:
        """Integral of the intensity since the event before; 0 in padded places."""
        return torch.where(events.real, self.rate * events.gaps, 0.0)

    def sample(self, n: int, end: float, *, generator: Gen = None) -> Events:
        """`n` rows watched from 0 to `end`."""
        like = torch.empty(n, dtype=torch.get_default_dtype())
        waits = lambda: like.double().exponential_(self.rate, generator=generator)
        return drawn(waits, like, end)
