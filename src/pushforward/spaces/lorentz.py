"""Hyperbolic space as a sheet of a hyperboloid."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, leaves, like, map_state, randn, require
from pushforward.spaces._radial import asinhc, cosh, dots, root, rows, shrink, sinhc

__all__ = ["Lorentz"]


def _lift(a: Tensor) -> Tensor:
    """The point whose entries but the first are a."""
    return torch.cat([(1 + dots(a, a)).sqrt(), a], -1)


def _project(x: Tensor) -> Tensor:
    """Along the ray through x, which is normal to the sheet; where the ray misses it, straight up."""
    a = x[..., 1:]
    height = (1 + dots(a, a)).sqrt()
    square = 1 + (x[..., :1] - height) * (x[..., :1] + height)  # -<x, x>, exactly 1 on points
    hit = (square > torch.finfo(x.dtype).eps) & (x[..., :1] > 0)
    return _lift(torch.where(hit, torch.where(hit, square, 1.0).rsqrt(), 1.0) * a)


def _tangent_of(x: Tensor, a: Tensor) -> Tensor:
    """The tangent vector at x whose entries but the first are a."""
    return torch.cat([dots(x[..., 1:], a) / x[..., :1], a], -1)


def _inner(x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """<u, v>_L of tangent vectors `[..., 1]`, from their entries but the first.

    u_0 v_0 is of the size of the rest far from the origin, and u . v - u_0 v_0 cancels. There the parts along x and
    across it are added, the first divided by x_0^2: <u, v> = u' . v' (across) + u' . v' (along) / x_0^2.
    """
    a, b, c = x[..., 1:], u[..., 1:], v[..., 1:]
    p, bx, cx, square = dots(a, a), dots(b, a), dots(c, a), x[..., :1].square()
    far = p > 1
    p = torch.where(far, p, 1.0)
    split = dots(b - bx / p * a, c - cx / p * a) + bx * cx / (p * square)
    return torch.where(far, split, dots(b, c) - bx * cx / square)


def _gap(x: Tensor, y: Tensor) -> Tensor:
    """q = <y - x, y - x>_L = 2 (c - 1) = 4 sinh(d / 2)^2 `[..., 1]`, to full relative precision.

    With s the sum and e the difference of both, e_0 = e' . s' / s_0 and s_0^2 - |s'|^2 = 4 + q; so q = |across|^2 +
    |along|^2 (4 + q) / s_0^2 for the parts of e' along s' and across it, which is solved for q.
    """
    a, b, time = x[..., 1:], y[..., 1:], x[..., :1] + y[..., :1]
    e, s = b - a, b + a
    p, along = dots(s, s), dots(e, s)
    plain = dots(e, e) - (along / time).square()
    radial = p > time.square() / 2  # else nothing cancels in `plain`
    p = torch.where(radial, p, 1.0)
    across, share = e - along / p * s, along.square() / (p * time.square())
    near = share < 0.5
    split = (dots(across, across) + 4 * share) / torch.where(near, 1 - share, 1.0)
    apart = 2 * (x[..., :1] * y[..., :1] - dots(a, b) - 1)
    return torch.where(radial, torch.where(near, split, apart), plain).clamp_min(0)


def _exp(x: Tensor, u: Tensor) -> Tensor:
    q = _inner(x, u, u)
    return _lift(cosh(q) * x[..., 1:] + sinhc(q) * u[..., 1:])


def _log(x: Tensor, y: Tensor) -> Tensor:
    q = _gap(x, y)
    across = (y - x)[..., 1:] - q / 2 * x[..., 1:]  # y - c x
    return _tangent_of(x, asinhc(q / 4) * (1 + q / 4).rsqrt() * across)


def _transport(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    along = dots(y[..., 1:], u[..., 1:]) - y[..., :1] * u[..., :1]
    return _tangent_of(y, (u + along / (2 + _gap(x, y) / 2) * (x + y))[..., 1:])


def _pull_back(x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    w = _transport(_exp(x, u), x, v)
    f, g = shrink(_inner(x, u, u))
    return f * w + g * _inner(x, u, w) * u


def _tangent(x: Tensor, u: Tensor) -> Tensor:
    return u + (dots(x[..., 1:], u[..., 1:]) - x[..., :1] * u[..., :1]) * x


def _tangent_noise(x: Tensor, generator: Gen) -> Tensor:
    a = x[..., 1:]
    z = randn(a.shape, a, generator=generator)
    return _tangent_of(x, z + dots(a, z) / (1 + x[..., :1]) * a)  # transported from the origin


@dataclass(frozen=True)
class Lorentz:
    r"""Hyperbolic space H^n of curvature -1: a sheet of a hyperboloid in R^D, D = n + 1.

    .. math:: \langle x, x\rangle = -1,\ x_0 > 0, \qquad \langle a, b\rangle = -a_0 b_0 + \textstyle\sum_i a_i b_i,
              \qquad \exp_x u = \cosh(r)\, x + \frac{\sinh r}{r} u, \quad r = \sqrt{\langle u, u\rangle}

    The noise is a normal law of the tangent space at the origin (1, 0, ...), wrapped by exp:

    .. math:: \log p(x) = \log N(z; 0, s^2 I_n) - (n - 1) \log \frac{\sinh |z|}{|z|}, \qquad z = \log_o x

    Source of the noise: Nagano et al., A Wrapped Normal Distribution on Hyperbolic Space for Gradient-Based Learning
        (ICML 2019), https://arxiv.org/abs/1902.02992.

    The metric is that of the form, which is no dot product: a chart of the same space, with its volume, is `Poincare`.
    A point is held by its entries but the first, so it stays on the sheet; distances keep their relative precision.
    Far out `exp` loses x_0^2 eps, where x_0 = cosh(distance to the origin), when it leads inwards.

    Args:
        scale: s > 0, standard deviation of the noise.

    Shapes: points `[B, *E, D]`, of which x_0 is the first entry of the last axis; the axes E, and the leaves of a
        mapping, make products.
    Raises: `InvalidInput` for a scale that is not positive and finite.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[math.cosh(2), math.sinh(2)]])
        >>> Lorentz().distance(x, y).round(decimals=4)
        tensor([2.])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"Lorentz needs a positive, finite scale, got {self.scale}")

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """exp_x(dt u)."""
        return map_state(lambda p, q: _exp(p, like(align(dt, q) * q, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the wrapped normal law."""

        def wrapped(p: Tensor) -> Tensor:
            z = self.scale * randn((*p.shape[:-1], p.shape[-1] - 1), p, generator=generator)
            return _lift(sinhc(dots(z, z)) * z)

        return map_state(wrapped, like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the wrapped normal law against the hyperbolic volume, in nats."""

        def wrapped(p: Tensor) -> Tensor:
            n, square = p.shape[-1] - 1, dots(p[..., 1:], p[..., 1:])
            back = asinhc(square)  # r / sinh(r)
            normal = -square * back.square() / (2 * self.scale**2) - n * math.log(self.scale * math.sqrt(2 * math.pi))
            return normal + (n - 1) * back.log()

        return rows(wrapped, x)

    def exp(self, x: State, u: State) -> State:
        """Along the geodesic that leaves x with velocity u."""
        return map_state(_exp, x, u)

    def log(self, x: State, y: State) -> State:
        """The tangent vector to y."""
        return map_state(_log, x, y)

    def tangent(self, x: State, u: State) -> State:
        """u + <x, u> x."""
        return map_state(_tangent, x, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """<u, v> `[B]`, positive on tangent vectors."""
        return rows(_inner, x, u, v)

    def project(self, x: State) -> State:
        """x / sqrt(-<x, x>); outside the cone, x with the first entry that puts it on the sheet."""
        return map_state(_project, x)

    def dimension(self, x: State) -> int:
        """n for every point of a row."""
        return sum(math.prod(p.shape[1:-1]) * (p.shape[-1] - 1) for p in leaves(x))

    def log_volume(self, x: State) -> Tensor:
        """0: the embedding is isometric for the form, and divergences are traces in R^D."""
        return rows(lambda p: p.new_zeros(p.shape[:1]), x)

    def distance(self, x: State, y: State) -> Tensor:
        """2 arsinh(|y - x| / 2) `[B]`, in the form's own length."""

        def square(p: Tensor, q: Tensor) -> Tensor:
            gap = _gap(p, q)
            return gap * asinhc(gap / 4).square()

        return root(rows(square, x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """u at x carried to y: u + <y, u> (x + y) / (1 - <x, y>)."""
        return map_state(_transport, x, y, u)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """v at exp_x(u) carried back to x, its part across u times r / sinh(r)."""
        return map_state(_pull_back, x, u, v)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x."""
        return map_state(lambda p: _tangent_noise(p, generator), x)
