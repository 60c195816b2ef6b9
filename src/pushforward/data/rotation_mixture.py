"""A mixture of rotations near a few means."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Gen, generator_from, rand, randn, require
from pushforward.spaces import SO3

__all__ = ["RotationMixture"]


@dataclass(frozen=True)
class RotationMixture:
    r"""Rotations scattered about random means, with their exact density.

    .. math:: R = M_k\, e^{[a]_\times}, \quad k \sim U\{1..K\}, \quad a \sim N(0, I / \rho_k), \qquad
              p(R) = \frac1K \sum_k N(a_k; 0, I / \rho_k)\, \frac{(\omega_k / 2)^2}{\sin^2(\omega_k / 2)}, \quad
              \omega_k = |a_k|

    with a_k the rotation vector of M_k^T R; means are uniform and precisions rho are Gamma(100). The density is against
    the volume 8 pi^2; longer vectors with the same rotation are left out, whose mass is below e^-400.

    Source: the synthetic SO(3) data of Sorrenson et al., Learning Distributions on Manifolds with Free-Form Flows
        (2023), https://arxiv.org/abs/2312.09852 (code vislearn/FFF), after De Bortoli et al.,
        https://arxiv.org/abs/2202.02763. Differs: means and precisions are drawn here, from other random numbers, and
        1 / sqrt(rho) is the deviation of the rotation vector.

    Args:
        modes: K >= 1.
        seed: Of means and precisions.

    Shapes: rows `[n, 3, 3]`, log-densities `[n]` in nats.
    Raises: `InvalidInput` for less than one mode.

    Example:
        >>> x = RotationMixture().sample(5, generator=torch.Generator().manual_seed(0))
        >>> x.shape, RotationMixture().log_prob(x).shape
        (torch.Size([5, 3, 3]), torch.Size([5]))
    """

    modes: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.modes >= 1, f"modes is {self.modes}, expected at least 1")

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor]:
        """Means `[K, 3, 3]` and deviations `[K]`, in float64."""
        generator = generator_from(self.seed, "rotation mixture")
        means = SO3().noise(torch.empty(self.modes, 3, 3, dtype=torch.float64), generator=generator)
        # a sum of 100 exponential draws is Gamma(100)
        uniform = rand((self.modes, 100), torch.empty(0, dtype=torch.float64), generator=generator)
        return cast(Tensor, means), (-(1 - uniform).log().sum(1)).rsqrt()

    def sample(self, n: int, *, generator: Gen = None) -> Tensor:
        """`n` independent draws, in the default dtype."""
        means, scales = self._parts
        k = (rand((n,), scales, generator=generator) * self.modes).long()
        a = scales[k, None] * randn((n, 3), scales, generator=generator)
        x, y, z = a.unbind(1)
        zero = torch.zeros_like(x)
        turn = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
        return cast(Tensor, SO3().exp(means[k], means[k] @ turn)).to(torch.get_default_dtype())

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density `[n]` against the volume 8 pi^2."""
        means, scales = (part.to(x) for part in self._parts)
        wide = lambda p: p.expand(len(x), self.modes, 3, 3).flatten(0, 1)
        w = SO3().distance(wide(means[None]), wide(x[:, None])).unflatten(0, (len(x), self.modes))
        normal = -(w / scales).square() / 2 - 3 * scales.log() - 1.5 * math.log(2 * math.pi)
        volume = 2 * torch.sinc(w / (2 * math.pi)).log()  # of the exponential map: sin(w / 2) / (w / 2), squared
        return (normal - volume).logsumexp(1) - math.log(self.modes)
