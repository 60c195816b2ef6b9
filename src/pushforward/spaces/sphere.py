"""Unit spheres."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, dot, leaves, like, map_state, randn_like
from pushforward.spaces._radial import cos, dots, norm, root, rows, sinc, stretch

__all__ = ["Sphere"]


def _project(x: Tensor) -> Tensor:
    return x / norm(x).clamp_min(torch.finfo(x.dtype).tiny)


def _aside(x: Tensor) -> Tensor:
    """A unit tangent vector at x: the coordinate axis farthest from it, projected."""
    axis = torch.zeros_like(x).scatter(-1, x.abs().argmin(-1, keepdim=True), 1.0)
    return _project(axis - dots(x, axis) * x)


def _exp(x: Tensor, u: Tensor) -> Tensor:
    q = dots(u, u)
    return cos(q) * x + sinc(q) * u


def _log(x: Tensor, y: Tensor) -> Tensor:
    c = dots(x, y)
    # y - c x, from differences that are exact near y = x and near y = -x
    gap = torch.where(c < 0, y + x, y - x)
    across = gap - dots(x, gap) * x
    q = dots(across, across)
    near, opposite = (q < 1e-4) & (c > 0), (q < torch.finfo(q.dtype).tiny) & (c < 0)
    s = torch.where(near | opposite, 1.0, q).sqrt()
    series = 1 + q * (1 / 6 + q * (3 / 40 + q * (5 / 112 + q * 35 / 1152)))  # arcsin(s) / s
    ratio = torch.where(near, series, torch.atan2(s, c) / s)
    return torch.where(opposite, math.pi * _aside(x), ratio * across)


def _reflect(e: Tensor, u: Tensor) -> Tensor:
    """u mirrored in the hyperplane across e: parallel transport between two points with middle e."""
    return u - 2 * dots(e, u) * e


def _transport(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    middle = x + y
    opposite = dots(middle, middle) < torch.finfo(x.dtype).tiny
    return _reflect(_project(torch.where(opposite, _aside(x), middle)), u)


def _pull_back(x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    f, g = stretch(dots(u, u))
    w = _reflect(_exp(x, u / 2), v)
    return f * w + g * dots(u, w) * u


def _log_area(x: Tensor) -> Tensor:
    """log of the area 2 pi^(D/2) / Gamma(D/2), for every point."""
    half = x.shape[-1] / 2
    return x.new_full(x.shape[:-1], math.log(2) + half * math.log(math.pi) - math.lgamma(half))


@dataclass(frozen=True)
class Sphere:
    r"""The unit sphere S^n in R^D, D = n + 1, with uniform noise.

    .. math:: \exp_x u = \cos(r)\, x + \frac{\sin r}{r}\, u, \quad r = |u|, \qquad
              \log_x y = \theta\, \frac{w}{|w|}, \quad w = y - \langle x, y\rangle x,
              \quad \theta = 2 \arctan \frac{|x - y|}{|x + y|}

    Antipodes have no shortest geodesic; `log` and `transport` then take a fixed one, toward the coordinate axis
    farthest from x, so that exp_x(log_x(-x)) = -x still, and all derivatives are finite.

    Shapes: points `[B, *E, D]`, unit vectors along the last axis; the axes E, and the leaves of a mapping, make
        products of spheres. Motions likewise.

    Example:
        >>> north, east = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> Sphere().distance(north, east) / torch.pi
        tensor([0.5000])
    """

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """exp_x(dt u), renormalised."""
        return map_state(lambda p, q: _project(_exp(p, like(align(dt, q) * q, q))), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Uniform draws."""
        return map_state(lambda p: _project(randn_like(p, generator=generator)), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Minus the log-area, `[B]`."""
        return -rows(_log_area, x)

    def exp(self, x: State, u: State) -> State:
        """Along the great circle that leaves x with velocity u."""
        return map_state(_exp, x, u)

    def log(self, x: State, y: State) -> State:
        """The shortest tangent vector to y."""
        return map_state(_log, x, y)

    def tangent(self, x: State, u: State) -> State:
        """u - <x, u> x."""
        return map_state(lambda p, q: q - dots(p, q) * p, x, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Dot product `[B]`."""
        return dot(u, v)

    def project(self, x: State) -> State:
        """x / |x|; the centre, which has no nearest point, stays."""
        return map_state(_project, x)

    def dimension(self, x: State) -> int:
        """n for every point of a row."""
        return sum(math.prod(p.shape[1:-1]) * (p.shape[-1] - 1) for p in leaves(x))

    def log_volume(self, x: State) -> Tensor:
        """0: the embedding is isometric."""
        return rows(lambda p: p.new_zeros(p.shape[:1]), x)

    def distance(self, x: State, y: State) -> Tensor:
        """The angle `[B]`, exact to rounding near 0 and near pi."""
        return root(rows(lambda p, q: (2 * torch.atan2(norm(p - q), norm(p + q))).square(), x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """u at x carried to y: u - 2 <e, u> e with e the middle of x and y."""
        return map_state(_transport, x, y, u)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """v at exp_x(u) carried back to x, its part across u times r / sin(r); r = |u| < pi."""
        return map_state(_pull_back, x, u, v)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x."""
        return self.tangent(x, map_state(lambda p: randn_like(p, generator=generator), x))
