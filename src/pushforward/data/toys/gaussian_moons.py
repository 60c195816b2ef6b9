"""Two interleaved half circles with normal noise."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal, pick, uniform

__all__ = ["GaussianMoons"]

BLOCK = 2**14  # rows whose density is found at once: memory does not grow with their number


@dataclass(frozen=True)
class GaussianMoons:
    r"""Two half circles with normal noise, scaled and shifted: scikit-learn's `make_moons`, at random angles.

    .. math:: x = a\,\big(c_k(\theta) + \mathrm{noise}\; e\big) + b, \qquad e \sim N(0, I), \qquad
              p(x) = \frac12 \sum_{k} \int_0^\pi N\big(x;\ a\,c_k(\theta) + b,\ (a\,\mathrm{noise})^2 I\big)
              \frac{d\theta}{\pi}

    with the curves c of `Moons`. Smooth everywhere, where `Moons` (uniform noise along the diagonal) has hard edges.
    The integral is Gauss and Legendre's, whose nodes are closer than the noise is wide: its error falls like
    exp(-2 (pi noise / spacing)^2), below 1e-12.

    Args:
        noise: Standard deviation, > 0, before scaling.
        scale: a > 0.
        shift: b.

    Example:
        >>> GaussianMoons().log_prob(torch.tensor([[0.0, 1.0]]))
        tensor([-0.4530])
    """

    noise: float = 0.1
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        require(
            self.noise > 0 and self.scale > 0,
            f"GaussianMoons needs noise and scale > 0, got {self.noise} and {self.scale}",
        )

    @property
    def classes(self) -> int:
        """Two: the upper moon is 0, the lower 1."""
        return 2

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and their moons."""
        label = pick(n, 2, generator)
        curve = _curve(math.pi * uniform(n, generator=generator), label)
        return self.scale * (curve + self.noise * normal(n, 2, generator=generator)) + self.shift, label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Log-density, in nats."""
        nodes, weights = np.polynomial.legendre.leggauss(max(32, math.ceil(2 * math.pi / self.noise)))
        angle = x.new_tensor(math.pi / 2 * (nodes + 1)).repeat(2)
        label = torch.arange(2, device=x.device).repeat_interleave(len(nodes))
        centres = self.scale * _curve(angle, label) + self.shift
        width = self.scale * self.noise
        share = x.new_tensor(weights / 4).log().repeat(2) - math.log(2 * math.pi * width**2)
        parts = [
            (share - (rows[:, None] - centres).square().sum(2) / (2 * width**2)).logsumexp(1) for rows in x.split(BLOCK)
        ]
        return torch.cat(parts)


def _curve(angle: Tensor, label: Tensor) -> Tensor:
    """Points of the half circles `[n, 2]`."""
    side = 1 - 2 * label
    return torch.stack([side * angle.cos() + label, side * angle.sin() + 0.5 * label], 1)
