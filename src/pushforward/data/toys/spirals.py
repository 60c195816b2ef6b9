"""Two spiral arms."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal, pick, uniform

__all__ = ["Spirals"]


@dataclass(frozen=True)
class Spirals:
    r"""Two Archimedean spiral arms, half a turn apart.

    .. math:: x = \pm \frac{\varphi}{3}\,(-\cos\varphi,\ \sin\varphi) + s z, \qquad \varphi = 2\pi\,\tau \sqrt{u},\
              u \sim U[0, 1],\ z \sim N(0, I)

    The square root spreads points nearly evenly along an arm. After the FFJORD toy, https://github.com/rtqichen/ffjord;
    differs: no uniform smear on top of the normal noise.

    Args:
        turns: Full turns of an arm, > 0.
        noise: s >= 0.
    """

    turns: float = 1.5
    noise: float = 0.1

    def __post_init__(self) -> None:
        require(
            self.turns > 0 and self.noise >= 0, f"Spirals has turns {self.turns} and noise {self.noise}, want > 0, >= 0"
        )

    @property
    def classes(self) -> int:
        """Two arms."""
        return 2

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and their arms."""
        label = pick(n, 2, generator)
        phi = 2 * math.pi * self.turns * uniform(n, generator=generator).sqrt()
        reach = (1 - 2 * label) * phi / 3
        arm = torch.stack([-reach * phi.cos(), reach * phi.sin()], 1)
        return arm + self.noise * normal(n, 2, generator=generator), label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]
