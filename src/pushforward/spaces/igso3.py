"""Rotations near the identity: the heat kernel of SO(3)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, map_state, rand, randn, require
from pushforward.spaces._radial import norm, rows, sinc
from pushforward.spaces._rotation import angle, rodrigues

__all__ = ["IGSO3"]

LEVELS = 16  # of the series, used from scale 1 on: exp(-l (l + 1) / 2) is below 1e-50 there


def _log_series(w: Tensor, scale: float) -> Tensor:
    """log f from sin((l + 1/2) w) / sin(w / 2) = 1 + 2 cos w + ... + 2 cos l w."""
    weights = [(2 * k + 1) * math.exp(-k * (k + 1) * scale**2 / 2) for k in range(LEVELS)]
    total = torch.full_like(w, sum(weights))
    for k in range(1, LEVELS):
        total = total + 2 * sum(weights[k:]) * (k * w).cos()
    return total.log()


def _log_images(w: Tensor, scale: float) -> Tensor:
    """The same sum by Poisson's formula: normal laws of the angles w + 2 pi k, with alternating signs."""
    square = scale**2
    first = square / 8 + math.log(2 * math.sqrt(2 * math.pi) / scale**3) - w.square() / (2 * square)
    apart = w.clamp_min(1e-6)  # the sum below is even in w, and negligible where w is that small
    images = torch.ones_like(w)
    for k in (1, 2):
        turn, sign = 2 * math.pi * k, (-1) ** k
        ahead = (apart - turn) * (turn * (2 * apart - turn) / (2 * square)).exp()
        behind = (apart + turn) * (-turn * (2 * apart + turn) / (2 * square)).exp()
        images = images + sign * (ahead + behind) / apart
    return first - sinc(w.square() / 4).log() + images.log()


@dataclass(frozen=True)
class IGSO3:
    r"""The isotropic normal law of rotations: Brownian motion from the identity at time scale^2.

    .. math:: f(\omega) = \sum_{l \ge 0} (2 l + 1)\, e^{-l (l + 1) \sigma^2 / 2}\,
              \frac{\sin((l + \frac12) \omega)}{\sin(\omega / 2)}, \qquad
              p(\omega) = f(\omega)\, \frac{1 - \cos \omega}{\pi}

    f is the density against the uniform law and p that of the angle; the axis is uniform. Below scale 1 the sum is
    taken after Poisson's formula, where two images are exact to rounding, as a dozen terms are above:

    .. math:: f(\omega) = \sqrt{2\pi}\, \frac{e^{\sigma^2/8}}{\sigma^3} \sum_{k} (-1)^k\,
              \frac{(\omega - 2 \pi k)\, e^{-(\omega - 2 \pi k)^2 / 2 \sigma^2}}{\sin(\omega / 2)}

    At scale 1.5, the source of FrameFlow's training, it is not yet uniform: f is 1.98 at 0 and 0.69 at pi.

    Source: Yim et al., SE(3) Diffusion Model with Application to Protein Backbone Generation (ICML 2023),
        https://arxiv.org/abs/2302.02277; the second sum is derived.

    Args:
        scale: sigma > 0, of one coordinate of the rotation vector where it is small.

    Shapes: points `[B, *E, 3, 3]`, the rotations E and the leaves of a mapping independent.
    Raises: `InvalidInput` for a scale that is not positive and finite.

    Example:
        >>> near, far = torch.eye(3)[None], torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None]
        >>> (IGSO3(1.5).log_prob(near) - IGSO3(1.5).log_prob(far)).exp()
        tensor([2.8680])
    """

    scale: float

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"IGSO3 needs a positive, finite scale, got {self.scale}; SO3() is uniform")

    def log_ratio(self, w: Tensor) -> Tensor:
        """log f at angles in [0, pi]."""
        return _log_series(w, self.scale) if self.scale >= 1 else _log_images(w, self.scale)

    def log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` against the Riemannian volume of `SO3`, 8 pi^2, in nats."""

        def density(p: Tensor) -> Tensor:
            one = torch.eye(3, dtype=p.dtype, device=p.device).expand_as(p)
            return self.log_ratio(angle(one, p)) - math.log(8 * math.pi**2)

        return rows(density, x)

    def angles(self, uniform: Tensor) -> Tensor:
        """Angles at quantiles in [0, 1], between 4096 nodes whose masses are exact to O(h^4)."""
        top = min(math.pi, 12 * self.scale)
        grid = torch.linspace(0, top, 4097, dtype=torch.float64, device=uniform.device)
        middle = (grid[1:] + grid[:-1]) / 2
        density = lambda w: self.log_ratio(w).exp() * (w / 2).sin().square()
        mass = density(grid[1:]) + 4 * density(middle) + density(grid[:-1])
        below = torch.cat([mass.new_zeros(1), mass.cumsum(0)])
        aim = uniform.to(below) * below[-1]
        k = torch.searchsorted(below, aim.contiguous(), right=True).clamp(1, len(mass)) - 1
        return (grid[k] + (aim - below[k]) / mass[k] * (grid[1] - grid[0])).to(uniform)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws shaped like `like`."""

        def draw(p: Tensor) -> Tensor:
            axis = randn((*p.shape[:-2], 3), p, generator=generator)
            w = self.angles(rand((*p.shape[:-2], 1), p, generator=generator)).to(p)
            return rodrigues(axis / norm(axis) * w)

        return map_state(draw, like)
