"""Two interleaved half circles."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import pick, uniform

__all__ = ["Moons"]


@dataclass(frozen=True)
class Moons:
    r"""Two half circles, smeared along the diagonal, then scaled and shifted.

    .. math:: x = a\,\big(c_k(\theta) + u\,(1, 1)\big) + b, \qquad c_0 = (\cos\theta, \sin\theta),\
              c_1 = (1 - \cos\theta, \tfrac12 - \sin\theta)

    with k in {0, 1}, angle U[0, pi] and u ~ U[0, noise]. The defaults are the law of torchcfm's `sample_moons`,
    https://github.com/atong01/conditional-flow-matching: torchdyn's `generate_moons(n, noise=0.2) * 3 - 1`, whose
    noise is neither normal nor independent in the two coordinates: one uniform number is added to both. Differs:
    angles and moons are drawn here; torchdyn takes a fixed grid of angles, moon by moon, so that its samples are
    stratified and closer to each other than independent ones.

    Every diagonal line meets a moon's circle at most twice, which gives the density:

    .. math:: p(x) = \sum_{k} \sum_{u :\ x \text{ on moon } k \text{ moved by } u}
              \frac{1}{2\pi\,\mathrm{noise}\; a^2\,|\cos\theta + \sin\theta|}

    Args:
        noise: Length of the smear along each axis, > 0, before scaling.
        scale: a > 0.
        shift: b.
    """

    noise: float = 0.2
    scale: float = 3.0
    shift: float = -1.0

    def __post_init__(self) -> None:
        require(
            self.noise > 0 and self.scale > 0, f"Moons needs noise and scale > 0, got {self.noise} and {self.scale}"
        )

    @property
    def classes(self) -> int:
        """Two: the upper moon is 0, the lower 1."""
        return 2

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and their moons."""
        label = pick(n, 2, generator)
        angle = math.pi * uniform(n, generator=generator)
        side = 1 - 2 * label
        curve = torch.stack([side * angle.cos() + label, side * angle.sin() + 0.5 * label], 1)
        return self.scale * (curve + self.noise * uniform(n, 1, generator=generator)) + self.shift, label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        """Log-density, in nats; -inf outside the smeared moons."""
        total = x.new_zeros(len(x))
        for centre, side in ((0.0, 0.0), 1), ((1.0, 0.5), -1):
            arm = (x - self.shift) / self.scale - x.new_tensor(centre)
            along = arm.sum(1)
            # |arm - u (1, 1)| = 1 at u = (along -+ root) / 2, where the circle's |cos + sin| is `root` both times
            square = along.square() - 2 * (arm.square().sum(1) - 1)
            root = square.clamp_min(0).sqrt()
            for sign in (-1, 1):
                u = (along + sign * root) / 2
                inside = (square > 0) & (u >= 0) & (u < self.noise) & (side * (arm[:, 1] - u) >= 0)
                total = total + torch.where(inside, 1 / root, 0.0)
        return (total / (2 * math.pi * self.noise * self.scale**2)).log()
