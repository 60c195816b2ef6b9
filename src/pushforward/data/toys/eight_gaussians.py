"""Eight Gaussians on a circle."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal, pick

__all__ = ["EightGaussians"]


@dataclass(frozen=True)
class EightGaussians:
    r"""Equal mixture of eight isotropic Gaussians, 45 degrees apart on a circle.

    .. math:: x = R\,(\cos \tfrac{\pi k}{4},\ \sin \tfrac{\pi k}{4}) + s z, \qquad k \sim U\{0, \dots, 7\},\
              z \sim N(0, I)

    The defaults are the law of torchcfm's `sample_8gaussians`, https://github.com/atong01/conditional-flow-matching.
    There `var=0.1` passes through a square root on its way to becoming a *covariance*, so the variance of a
    coordinate is sqrt(0.1) = 0.316 and its standard deviation 0.1^(1/4) = 0.562: published two-dimensional figures
    are for these wider blobs.

    Args:
        radius: R > 0.
        std: s > 0.
    """

    radius: float = 5.0
    std: float = 0.1**0.25

    def __post_init__(self) -> None:
        require(
            self.radius > 0 and self.std > 0,
            f"EightGaussians needs radius and std > 0, got {self.radius} and {self.std}",
        )

    @property
    def classes(self) -> int:
        """Eight."""
        return 8

    def centres(self, device: torch.device | None = None) -> Float[Tensor, "8 2"]:
        """Counter-clockwise from (R, 0)."""
        angle = torch.arange(8, device=device) * (math.pi / 4)
        return self.radius * torch.stack([angle.cos(), angle.sin()], 1)

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and the numbers of their centres."""
        label = pick(n, 8, generator)
        return self.centres(label.device)[label] + self.std * normal(n, 2, generator=generator), label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Log-density, in nats."""
        square = ((x[:, None] - self.centres(x.device).to(x.dtype)) / self.std).square().sum(2)
        return torch.logsumexp(-0.5 * square, 1) - math.log(8 * 2 * math.pi * self.std**2)
