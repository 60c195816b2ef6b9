"""Hyperbolic space as a ball."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, event_size, like, map_state, randn_like, require
from pushforward.spaces._radial import artanhc, asinhc, dots, norm, root, rows, tanhc

__all__ = ["Poincare"]


def _depth(x: Tensor) -> Tensor:
    """1 - |x|^2 = 2 / lambda."""
    return 1 - dots(x, x)


def _project(x: Tensor) -> Tensor:
    limit = 1 - (1e-5 if torch.finfo(x.dtype).eps > 1e-10 else 1e-12)
    r = norm(x)
    outside = r > limit
    return torch.where(outside, x * (limit / torch.where(outside, r, 1.0)), x)


def _ratio(x: Tensor, y: Tensor) -> Tensor:
    """sinh(d / 2)^2."""
    return dots(y - x, y - x) / (_depth(x) * _depth(y))


def _exp(x: Tensor, u: Tensor) -> Tensor:
    depth = _depth(x)
    half = u / depth  # of Riemannian length r / 2
    y = tanhc(dots(half, half)) * half
    xy, yy, xx = dots(x, y), dots(y, y), dots(x, x)
    return _project(((1 + 2 * xy + yy) * x + depth * y) / (1 + 2 * xy + xx * yy))


def _log(x: Tensor, y: Tensor) -> Tensor:
    depth, gap, q = _depth(x), y - x, _ratio(x, y)
    # the Moebius sum of -x and y, from the difference: exact near y = x
    sum_ = (depth * gap - dots(gap, gap) * x) / (depth * _depth(y) * (1 + q))
    return depth * asinhc(q) * (1 + q).sqrt() * sum_


def _transport(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    """gyr[y, -x] u lambda_x / lambda_y."""
    xy, xx, yy = dots(x, y), dots(x, x), dots(y, y)
    xu, yu = dots(x, u), dots(y, u)
    a = -yu * xx - xu + 2 * xy * xu
    b = xu * yy - yu
    turned = u + 2 * (a * y - b * x) / (1 - 2 * xy + xx * yy)
    return turned * _depth(y) / _depth(x)


@dataclass(frozen=True)
class Poincare:
    r"""Hyperbolic space H^n of curvature -1 in the coordinates of the unit ball.

    .. math:: \langle u, v\rangle_x = \lambda_x^2\, u \cdot v, \quad \lambda_x = \frac{2}{1 - |x|^2}, \qquad
              \exp_x u = x \oplus \tanh\!\Big(\frac{\lambda_x |u|}{2}\Big) \frac{u}{|u|}, \qquad
              x \oplus y = \frac{(1 + 2 x \cdot y + |y|^2)\, x + (1 - |x|^2)\, y}{1 + 2 x \cdot y + |x|^2 |y|^2}

    The noise is a normal law of the tangent space at 0, wrapped by exp, as in `Lorentz`, to whose points the
    stereographic map x_i / (1 + x_0) leads from here. Distances keep their relative precision; coordinates do not, as
    1 - |x| loses digits near the rim: points are kept at |x| <= 1 - 1e-5 in float32 (distance 12 from 0), and at
    1 - 1e-12 in float64 (distance 28). `Lorentz` has no such rim.

    Args:
        scale: Standard deviation of the noise, > 0.

    Shapes: points `[B, *E, n]`; the axes E, and the leaves of a mapping, make products.
    Raises: `InvalidInput` for a scale that is not positive and finite.

    Example:
        >>> Poincare().distance(torch.zeros(1, 2), torch.tensor([[0.5, 0.0]])).exp().round(decimals=4)  # 1.5 / 0.5
        tensor([3.])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"Poincare needs a positive, finite scale, got {self.scale}")

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """exp_x(dt u)."""
        return map_state(lambda p, q: _exp(p, like(align(dt, q) * q, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the wrapped normal law."""

        def wrapped(p: Tensor) -> Tensor:
            half = self.scale / 2 * randn_like(p, generator=generator)
            return _project(tanhc(dots(half, half)) * half)

        return map_state(wrapped, like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the wrapped normal law against the hyperbolic volume, in nats."""

        def wrapped(p: Tensor) -> Tensor:
            n, square = p.shape[-1], dots(p, p)
            half = artanhc(square)  # r / (2 |x|), and sinh(r) = 2 |x| / (1 - |x|^2)
            normal = -2 * square * half.square() / self.scale**2 - n * math.log(self.scale * math.sqrt(2 * math.pi))
            return normal + (n - 1) * (half * _depth(p)).log()

        return rows(wrapped, x)

    def exp(self, x: State, u: State) -> State:
        """Along the geodesic that leaves x with velocity u."""
        return map_state(_exp, x, u)

    def log(self, x: State, y: State) -> State:
        """The tangent vector to y."""
        return map_state(_log, x, y)

    def tangent(self, x: State, u: State) -> State:
        """u: every vector is tangent."""
        return u

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """lambda^2 u . v `[B]`."""
        return rows(lambda p, q, r: 4 * dots(q, r) / _depth(p).square(), x, u, v)

    def project(self, x: State) -> State:
        """x, drawn in to the rim where it is outside."""
        return map_state(_project, x)

    def dimension(self, x: State) -> int:
        """Number of coordinates of a row."""
        return event_size(x)

    def log_volume(self, x: State) -> Tensor:
        """n log lambda for every point of a row, `[B]`."""
        return rows(lambda p: p.shape[-1] * (2 / _depth(p)).log(), x)

    def distance(self, x: State, y: State) -> Tensor:
        """2 arsinh(|y - x| / sqrt((1 - |x|^2)(1 - |y|^2))) `[B]`."""

        def square(p: Tensor, q: Tensor) -> Tensor:
            ratio = _ratio(p, q)
            return 4 * ratio * asinhc(ratio).square()

        return root(rows(square, x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """u at x carried to y: turned by the gyration of y and -x, and scaled by lambda_x / lambda_y."""
        return map_state(_transport, x, y, u)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x: N(0, I) / lambda."""
        return map_state(lambda p: _depth(p) / 2 * randn_like(p, generator=generator), x)

    def motion(self, x: State, out: State) -> State:
        """What a network says, over lambda: motions of the same length everywhere."""
        return map_state(lambda p, q: q * _depth(p) / 2, x, out)
