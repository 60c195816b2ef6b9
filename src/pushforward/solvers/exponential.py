"""What the exponential integrators share: a step of an affine path, with the ends that a field sees."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pushforward.core import AffinePath, Coeffs, Cond, Estimate, Incompatible, State, require
from pushforward.solvers.multistep import Value, mix, weights
from pushforward.solvers.runge_kutta import runge_kutta

__all__ = ["Leg", "ends", "moments", "require_path", "started"]


def require_path(solver: Any) -> AffinePath:
    """The path of `solver`, if it is x_t = alpha x1 + sigma x0."""
    name, path = type(solver).__name__, solver.path
    if not isinstance(path, AffinePath):
        raise Incompatible(
            f"{name} steps in alpha and sigma of an affine path, got {type(path).__name__}; use a solver such as Heun()"
        )
    latent = getattr(path, "latent", None)
    require(
        latent is None,
        f"{name} reads the ends from the velocity, which latent noise ({type(latent).__name__}) does not allow; use "
        "a path with latent=None, or a solver such as Heun()",
        Incompatible,
    )
    return path


def ends(path: AffinePath, dynamics: Any, x: State, t: Tensor, cond: Cond) -> Estimate:
    """Both ends: what an Estimator says, or what the velocity of a Field tells."""
    found = dynamics(x, t, cond)
    return found if isinstance(found, Estimate) else path.estimate(found, x, t)


def started(solver: Any, dynamics: Any, x: State, s: Tensor, t: Tensor, *, cond: Cond, seen: Estimate) -> State:
    """Where the starter of `solver` takes `x`, whose ends are `seen`; its other stages are evaluated."""
    path = require_path(solver)

    def motion(found: Estimate, t: Tensor) -> State:
        c = path.coeffs(t)
        return mix((c.d_alpha, found.x1), (c.d_sigma, found.x0))

    def field(x: State, t: Tensor, cond: Cond = None) -> State:
        return motion(ends(path, dynamics, x, t, cond), t)

    return runge_kutta(solver.starter.tableau, field, x, s, t, space=path.space, cond=cond, carry=(motion(seen, s),)).x


def moments(h: Tensor, number: int) -> list[Tensor]:
    r"""The first `number` (at most 4) of the moments of an exponential, for every h.

    .. math:: M_i = \int_0^1 h\, e^{h(\theta - 1)}\, \theta^i\, d\theta

    With :math:`\varphi_0(z) = e^z`, :math:`\varphi_{k+1}(z) = (\varphi_k(z) - 1/k!)/z` it is
    :math:`M_i = h\, i!\, \varphi_{i+1}(-h)`. Upwards the recursion divides rounding by z at every k, so for |z| < 1 it
    is run downwards, from the series of the last.
    """
    z = -h
    near = z.abs() < 1
    small, large = torch.where(near, z, 0.0), torch.where(near, 1.0, z)
    # the next term of the series is below 1e-19, or 1e-10 in single precision
    series = torch.zeros_like(z)
    for n in range(16 if z.dtype == torch.float64 else 8, -1, -1):
        series = series * small + 1 / math.factorial(n + number)
    down, up = [series], [torch.expm1(large) / large]
    for k in range(1, number):
        down.insert(0, small * down[0] + 1 / math.factorial(number - k))
        up.append((up[-1] - 1 / math.factorial(k)) / large)
    return [h * math.factorial(i) * torch.where(near, a, b) for i, (a, b) in enumerate(zip(down, up, strict=True))]


@functools.cache
def _points(number: int) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Equal points on [0, 1], and what turns moments into their masses: the inverse of [theta_q^i], i by q."""
    points = np.linspace(0, 1, number)
    return tuple(points), tuple(map(tuple, np.linalg.inv(np.vander(points, increasing=True).T)))


FARTHEST = 3.0  # a polynomial is not drawn out to more than so many times the length of the step before
TINY = 1e-6  # a coefficient below it counts as 0, and lambda as infinite: cos(pi / 2) is not 0 in floating point


class Leg(NamedTuple):
    r"""A step from s to t of the path, all `[B]`: x_t = keep x_s + data D + noise eps if D and eps stayed.

    .. math:: x_t = \frac{\sigma_t}{\sigma_s} x_s + \sigma_t \int_{\lambda_s}^{\lambda_t} e^{\lambda} D\, d\lambda,
              \qquad \lambda = \log\frac\alpha\sigma, \qquad h = \lambda_t - \lambda_s

    With D constant the integral is :math:`\alpha_t - \alpha_s \sigma_t / \sigma_s = \alpha_t (1 - e^{-h})`, finite at
    both ends of every path. Where sigma_s is 0, eps is asked for what x does not say: x + (alpha_t - alpha_s) D +
    (sigma_t - sigma_s) eps, the same where x = alpha D + sigma eps.

    `place` is lambda_s, `alpha` is alpha_t; `long` tells rows whose h is infinite, and `h` is 1 there. Either infinity
    is written as +inf.
    """

    keep: Tensor
    data: Tensor
    noise: Tensor
    place: Tensor
    h: Tensor
    long: Tensor
    alpha: Tensor

    @classmethod
    def of(cls, here: Coeffs, there: Coeffs) -> "Leg":
        """The step between two times."""
        clean = here.sigma <= TINY
        keep = torch.where(clean, 1.0, there.sigma / torch.where(clean, 1.0, here.sigma))
        start, stop = (c.alpha.log() - c.sigma.clamp_min(0.0).log() for c in (here, there))
        h = stop - start
        apart = (here.alpha > TINY) & ~clean
        long = ~(apart & (there.alpha > TINY) & (there.sigma > TINY))
        return cls(
            keep=keep,
            data=there.alpha - keep * here.alpha,
            noise=torch.where(clean, there.sigma - here.sigma, 0.0),
            place=torch.where(apart, start, math.inf),
            h=torch.where(long, 1.0, h),
            long=long,
            alpha=there.alpha,
        )

    def nodes(self, values: tuple[Value, ...]) -> list[Tensor]:
        """Where earlier values lie, in units of this step from its start; not finite where they do not count."""
        step = torch.where(self.h != 0, self.h, 1.0)
        return [torch.where(self.long, math.nan, (value.place - self.place) / step) for value in values]

    @staticmethod
    def reach(nodes: list[Tensor]) -> list[Tensor]:
        """`nodes` from which this step may be extrapolated: none where the step before was much shorter."""
        return [torch.where(nodes[0].abs() * FARTHEST < 1, math.nan, node) for node in nodes]

    @staticmethod
    def half(node: Tensor, reach: Tensor) -> Tensor:
        """`reach` over twice the node: the weight of the one difference of D; 0 where the node does not count."""
        there = node.isfinite() & (node != 0)
        return torch.where(there, reach / (2 * torch.where(there, node, 1.0)), 0.0)

    def pull(self, nodes: list[Tensor], *, ahead: bool = False) -> list[Tensor]:
        r"""Weights of D_j - D_s in the integral, for the polynomial in lambda through D_s and the D_j at `nodes`.

        With `ahead` D at t is one of them, and the first.

        .. math:: \alpha_t\, w_j, \qquad \int_0^1 h\, e^{h (\theta - 1)}\, p(\theta)\, d\theta = \sum_j w_j\, p(x_j)
        """
        if not nodes and not ahead:
            return []
        zero = torch.zeros_like(self.h)
        nodes = [torch.ones_like(zero), zero, *nodes] if ahead else [zero, *nodes]
        number, here = len(nodes), int(ahead)
        points, inverse = _points(number)
        found = moments(self.h, number)
        masses = [sum((c * m for c, m in zip(row, found, strict=True)), zero) for row in inverse]
        found = weights(nodes, points, masses)
        return [self.alpha * w for w in found[:here] + found[here + 1 :]]
