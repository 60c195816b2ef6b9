"""Blades of a wheel."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal, pick

__all__ = ["Pinwheel"]


@dataclass(frozen=True)
class Pinwheel:
    r"""Elongated Gaussians around the centre, swirled: the farther out, the more they turn.

    .. math:: x = 2\, R\!\big(-\tfrac{2\pi k}{K} - \tfrac14 e^{r}\big) \begin{pmatrix} r \\ a \end{pmatrix}, \qquad
              r \sim N(1, s_r^2),\ a \sim N(0, s_a^2),\ k \sim U\{0, \dots, K - 1\}

    with R the counter-clockwise rotation. The defaults are the law of the FFJORD toy,
    https://github.com/rtqichen/ffjord.

    Args:
        blades: K >= 1.
        radial_std: s_r > 0.
        tangential_std: s_a > 0.
    """

    blades: int = 5
    radial_std: float = 0.3
    tangential_std: float = 0.1

    def __post_init__(self) -> None:
        require(self.blades >= 1, f"Pinwheel has {self.blades} blades, expected at least 1")
        require(
            min(self.radial_std, self.tangential_std) > 0,
            f"Pinwheel needs positive spreads, got {self.radial_std} and {self.tangential_std}",
        )

    @property
    def classes(self) -> int:
        """One per blade."""
        return self.blades

    def sample_labelled(self, n: int, *, generator: Gen = None) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        """`n` independent points and their blades."""
        label = pick(n, self.blades, generator)
        r = 1 + self.radial_std * normal(n, generator=generator)
        a = self.tangential_std * normal(n, generator=generator)
        angle = -(2 * math.pi / self.blades * label + 0.25 * r.exp())
        cos, sin = angle.cos(), angle.sin()
        return 2 * torch.stack([r * cos - a * sin, r * sin + a * cos], 1), label

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        return self.sample_labelled(n, generator=generator)[0]
