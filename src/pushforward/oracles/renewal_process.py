"""Independent waiting times."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Events, Gen, randn_like, require
from pushforward.oracles.event_draws import drawn

__all__ = ["LogNormalRenewal"]


@dataclass(frozen=True)
class LogNormalRenewal:
    r"""The renewal process with log-normal waiting times.

    .. math:: \log g \sim N(\mu, \sigma^2), \qquad \sigma^2 = \log\big(1 + s^2 / m^2\big), \quad
              \mu = \log m - \tfrac12 \sigma^2

    Over a long time it has :math:`\mu + \tfrac12 \log(2 \pi e \sigma^2)` nats an event.

    Args:
        mean: m, of the waiting times, > 0.
        deviation: s, their standard deviation, > 0.

    Example:
        >>> round(LogNormalRenewal(1.0, 6.0).entropy(), 5)
        0.25546
    """

    mean: float = 1.0
    deviation: float = 6.0

    def __post_init__(self) -> None:
        require(
            self.mean > 0 and self.deviation > 0,
            f"LogNormalRenewal got mean={self.mean} and deviation={self.deviation}, expected positive numbers",
        )

    @property
    def logs(self) -> tuple[float, float]:
        """Mean and standard deviation of log g."""
        variance = math.log1p((self.deviation / self.mean) ** 2)
        return math.log(self.mean) - variance / 2, math.sqrt(variance)

    def entropy(self) -> float:
        """Of one waiting time, in nats."""
        mu, sigma = self.logs
        return mu + 0.5 * math.log(2 * math.pi * math.e) + math.log(sigma)

    def log_prob(self, events: Events) -> Float[Tensor, " b"]:
        """Log-density of every row, in nats; the silence at the end counted."""
        mu, sigma = self.logs
        logs = torch.where(events.real, events.gaps, 1.0).log()
        z = (logs - mu) / sigma
        rows = -0.5 * z.square() - logs - math.log(sigma) - 0.5 * math.log(2 * math.pi)
        return torch.where(events.real, rows, 0.0).sum(1) + self._log_survival(events.rest)

    def compensators(self, events: Events) -> Float[Tensor, "b length"]:
        """Integral of the intensity since the event before; 0 in padded places."""
        return torch.where(events.real, -self._log_survival(events.gaps), 0.0)

    def _log_survival(self, gaps: Tensor) -> Tensor:
        mu, sigma = self.logs
        return torch.special.log_ndtr((mu - gaps.log()) / sigma)

    def sample(self, n: int, end: float, *, generator: Gen = None) -> Events:
        """`n` rows watched from 0 to `end`."""
        mu, sigma = self.logs
        like = torch.empty(n, dtype=torch.get_default_dtype())
        waits = lambda: torch.exp(mu + sigma * randn_like(like.double(), generator=generator))
        return drawn(waits, like, end)
