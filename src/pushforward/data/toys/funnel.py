"""Neal's funnel."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal

__all__ = ["Funnel"]


@dataclass(frozen=True)
class Funnel:
    r"""Neal's funnel: the first coordinate is the log-variance of all others.

    .. math:: x_1 \sim N(0, s^2), \qquad x_i \mid x_1 \sim N(0, e^{x_1}), \quad i = 2, \dots, D

    Source: Neal, Slice sampling, Annals of Statistics 31 (2003), section 8, https://doi.org/10.1214/aos/1056562461;
        there D = 10 and s = 3.

    Args:
        dim: D >= 2.
        std: s > 0. At s = 3 the far draws of a large sample are in the hundreds.
    """

    dim: int = 2
    std: float = 3.0

    def __post_init__(self) -> None:
        require(self.dim >= 2 and self.std > 0, f"Funnel needs dim >= 2 and std > 0, got {self.dim} and {self.std}")

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` independent draws."""
        z = normal(n, self.dim, generator=generator)
        neck = self.std * z[:, :1]
        return torch.cat([neck, (0.5 * neck).exp() * z[:, 1:]], 1)

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Log-density, in nats."""
        neck, rest = x[:, 0], x[:, 1:]
        wide = -0.5 * (neck / self.std).square() - math.log(self.std)
        narrow = -0.5 * (rest.square().sum(1) * (-neck).exp() + (self.dim - 1) * neck)
        return wide + narrow - 0.5 * self.dim * math.log(2 * math.pi)
