"""One curve in the shape of an S."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, require
from pushforward.data.toys.draws import normal, uniform

__all__ = ["SCurve"]


@dataclass(frozen=True)
class SCurve:
    r"""An S drawn at constant speed and blurred; mean 0.

    .. math:: x = a\,\big(\sin t,\ \mathrm{sign}(t)\,(\cos t - 1)\big) + a s z, \qquad
              t \sim U[-\tfrac{3\pi}{2}, \tfrac{3\pi}{2}],\ z \sim N(0, I)

    Coordinates 0 and 2 of scikit-learn's `make_s_curve`. The published two-dimensional tables (Tong et al.,
    https://arxiv.org/abs/2302.00482) divide a sample by its standard deviation over both coordinates and multiply by 7:
    their law, in the limit of many points, is `SCurve(scale=7 / SCurve().spread)`.

    Args:
        noise: s >= 0.
        scale: a > 0.
    """

    noise: float = 0.1
    scale: float = 1.0

    def __post_init__(self) -> None:
        require(
            self.noise >= 0 and self.scale > 0, f"SCurve has noise {self.noise}, scale {self.scale}, want >= 0, > 0"
        )

    @property
    def spread(self) -> float:
        r"""Standard deviation over both coordinates together.

        .. math:: a\,\sqrt{\tfrac12 \big(\tfrac12 + \tfrac32 + \tfrac{4}{3\pi}\big) + s^2}
        """
        return self.scale * math.sqrt(1 + 2 / (3 * math.pi) + self.noise**2)

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        t = 3 * math.pi * (uniform(n, generator=generator) - 0.5)
        curve = torch.stack([t.sin(), t.sign() * (t.cos() - 1)], 1)
        return self.scale * (curve + self.noise * normal(n, 2, generator=generator))
