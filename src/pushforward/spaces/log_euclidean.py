"""Symmetric positive matrices, flat by their logarithm."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, leaves, like, map_state, require
from pushforward.spaces._radial import root, rows
from pushforward.spaces._symmetric import above, dexp, dlog, expm, logm, motion, normal, quotient, sym, triangle

__all__ = ["LogEuclidean"]


def _exp(p: Tensor, u: Tensor) -> Tensor:
    log = logm(p)
    return expm(log + dlog(p, log, u))


def _inner(p: Tensor, u: Tensor, v: Tensor) -> Tensor:
    log = logm(p)
    return dlog(p, log, u) * dlog(p, log, v)


@dataclass(frozen=True)
class LogEuclidean:
    r"""Symmetric positive matrices with the flat metric of their logarithms.

    .. math:: d(P, Q) = \| \log P - \log Q \|_F, \qquad \exp_P U = e^{\log P + D\log_P U}, \qquad
              \langle U, V\rangle_P = \mathrm{tr}(D\log_P U\; D\log_P V)

    It has the points of `SPD`, with straight lines for geodesics and only rotations and powers for isometries. The
    noise is e^S with S normal, standard deviation `scale`, and against the Riemannian volume its density is that of S.

    Source: Arsigny, Fillard, Pennec & Ayache, Log-Euclidean Metrics for Fast and Simple Calculus on Diffusion Tensors
        (MRM 2006), https://doi.org/10.1002/mrm.20965.

    Args:
        scale: s > 0, standard deviation of the noise.

    Shapes: points and motions `[B, *E, m, m]`, symmetric; the axes E, and the leaves of a mapping, make products.
        `log_volume` is that of orthonormal coordinates of the symmetric matrices.
    Raises: `InvalidInput` for a scale that is not positive and finite.

    Example:
        >>> p, q = torch.eye(2)[None], torch.diag(torch.tensor([4.0, 9.0]))[None]
        >>> LogEuclidean().exp(p, LogEuclidean().log(p, q) / 2).round(decimals=4)  # half way
        tensor([[[2., 0.],
                 [0., 3.]]])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"LogEuclidean needs a positive, finite scale, got {self.scale}")

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """exp_x(dt u)."""
        return map_state(lambda p, q: _exp(p, like(align(dt, q) * q, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of e^S, S normal."""
        return map_state(lambda p: expm(self.scale * normal(p, generator)), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the noise against the Riemannian volume, in nats."""

        def density(p: Tensor) -> Tensor:
            m = p.shape[-1]
            constant = m * (m + 1) / 2 * math.log(self.scale * math.sqrt(2 * math.pi))
            return -logm(p).square().sum((-2, -1)) / (2 * self.scale**2) - constant

        return rows(density, x)

    def exp(self, x: State, u: State) -> State:
        """Straight on in the logarithm."""
        return map_state(_exp, x, u)

    def log(self, x: State, y: State) -> State:
        """The tangent vector to y."""
        return map_state(lambda p, q: sym(dexp(a := logm(p), logm(q) - a)), x, y)

    def tangent(self, x: State, u: State) -> State:
        """Symmetric part of u."""
        return map_state(sym, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Inner product `[B]` of the motions of log x."""
        return rows(_inner, x, u, v)

    def project(self, x: State) -> State:
        """The symmetric part of x, its eigenvalues raised to eps times the largest."""
        return map_state(above, x)

    def dimension(self, x: State) -> int:
        """m (m + 1) / 2 for every point of a row."""
        return sum(math.prod(p.shape[1:-1]) * (p.shape[-1] + 1) // 2 for p in leaves(x))

    def log_volume(self, x: State) -> Tensor:
        """log det of the differential of log for every point of a row, `[B]`."""

        def volume(p: Tensor) -> Tensor:
            k = quotient(torch.linalg.eigvalsh(p)).log()
            return (k.sum((-2, -1)) + k.diagonal(dim1=-2, dim2=-1).sum(-1)) / 2

        return rows(volume, x)

    def distance(self, x: State, y: State) -> Tensor:
        """|log x - log y| `[B]`."""
        return root(rows(lambda p, q: (logm(p) - logm(q)).square(), x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """The same motion of the logarithm."""
        return map_state(lambda p, q, v: sym(dexp(logm(q), dlog(p, logm(p), v))), x, y, u)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """The same motion of the logarithm."""
        return self.transport(self.exp(x, u), x, v)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal motions of the logarithm, at x."""
        return map_state(lambda p: sym(dexp(logm(p), normal(p, generator))), x)

    def features(self, x: State) -> State:
        """Orthonormal coordinates of log x, `[B, *E, m (m + 1) / 2]`."""
        return map_state(lambda p: triangle(logm(p)), x)

    def motion(self, x: State, out: State) -> State:
        """What a network says, the motion of `features`, as a tangent vector at x; matrices are symmetrised."""
        return map_state(motion, x, out)
