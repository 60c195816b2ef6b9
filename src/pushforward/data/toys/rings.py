"""Concentric circles."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal, pick, uniform

__all__ = ["Rings"]


@dataclass(frozen=True)
class Rings:
    r"""Equal mixture of evenly spaced circles around 0, blurred by normal noise.

    .. math:: x = R_k\,(\cos\theta, \sin\theta) + s z, \qquad R_k = R\,\frac{k + 1}{K},\
              p(x) = \frac1K \sum_k \frac{1}{2\pi s^2} e^{-(|x|^2 + R_k^2) / 2 s^2}\, I_0\!\Big(\frac{|x| R_k}{s^2}\Big)

    (a circle blurred by a Gaussian, derived: average the Gaussian over the angle). The defaults are the FFJORD toy's
    radii and noise, https://github.com/rtqichen/ffjord.

    Args:
        count: K >= 1 circles.
        radius: R > 0, of the outermost.
        noise: s > 0.
    """

    count: int = 4
    radius: float = 3.0
    noise: float = 0.08

    def __post_init__(self) -> None:
        require(self.count >= 1, f"Rings has {self.count} circles, expected at least 1")
        require(
            self.radius > 0 and self.noise > 0, f"Rings needs radius and noise > 0, got {self.radius} and {self.noise}"
        )

    @property
    def classes(self) -> int:
        """One per circle, the innermost is 0."""
        return self.count

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and their circles."""
        label = pick(n, self.count, generator)
        angle = 2 * math.pi * uniform(n, generator=generator)
        radius = self.radius / self.count * (label + 1)
        circle = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)
        return circle + self.noise * normal(n, 2, generator=generator), label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Log-density, in nats."""
        radii = self.radius / self.count * torch.arange(1, self.count + 1, device=x.device, dtype=x.dtype)
        r, variance = x.norm(dim=1, keepdim=True), self.noise**2
        # i0e(z) = exp(-z) I_0(z): its exponential turns r^2 + R^2 into (r - R)^2, and nothing overflows
        blurred = -(r - radii).square() / (2 * variance) + torch.special.i0e(r * radii / variance).log()
        return torch.logsumexp(blurred, 1) - math.log(self.count * 2 * math.pi * variance)
