"""One isotropic Gaussian."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian:
    """N(mean 1, std^2 I) in `dim` dimensions.

    Example:
        >>> Gaussian(dim=1).log_prob(torch.zeros(1, 1))
        tensor([-0.9189])
    """

    dim: int = 2
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        require(self.dim >= 1 and self.std > 0, f"Gaussian needs dim >= 1 and std > 0, got {self.dim} and {self.std}")

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` independent draws."""
        return self.mean + self.std * normal(n, self.dim, generator=generator)

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Log-density, in nats."""
        square = ((x - self.mean) / self.std).square().sum(1)
        return -0.5 * square - self.dim * math.log(self.std * math.sqrt(2 * math.pi))
