"""Latent noise of stochastic interpolants: times to gamma and to the product gamma gamma'."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.paths.latents.brownian import Brownian
from pushforward.paths.latents.constant import Constant
from pushforward.paths.latents.sine_squared import SineSquared

__all__ = ["Brownian", "Constant", "Latent", "SineSquared"]


@runtime_checkable
class Latent(Protocol):
    """Times `[B]` to gamma and gamma gamma'.

    One that is the bridge of a diffusion may have `level(t)`, the diffusion's eps = volatility^2 / 2, `[B]`.
    """

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        ...
