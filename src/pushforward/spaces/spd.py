"""Symmetric positive matrices, affine-invariant."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, leaves, like, map_state, require
from pushforward.spaces._radial import root, rows, sinhc
from pushforward.spaces._symmetric import above, expm, exponential, logm, logm1p, motion, normal, sym, triangle

__all__ = ["SPD"]


def _factor(p: Tensor) -> Tensor:
    """L with p = L L^T; any such factor serves where formulas have the square root of p."""
    factor, failed = torch.linalg.cholesky_ex(p)  # unlike cholesky, this does not wait for the device to raise
    return torch.where(failed[..., None, None] == 0, factor, math.nan)


def _whiten(factor: Tensor, u: Tensor) -> Tensor:
    """L^-1 u L^-T."""
    half = torch.linalg.solve_triangular(factor, u, upper=False)
    return sym(torch.linalg.solve_triangular(factor, half.mT, upper=False))


def _exp(p: Tensor, u: Tensor) -> Tensor:
    factor = _factor(p)
    half = factor @ exponential(_whiten(factor, u) / 2)
    return sym(half @ half.mT)


def _white_log(factor: Tensor, p: Tensor, q: Tensor) -> Tensor:
    return logm1p(_whiten(factor, q), _whiten(factor, q - p))


def _log(p: Tensor, q: Tensor) -> Tensor:
    factor = _factor(p)
    return sym(factor @ _white_log(factor, p, q) @ factor.mT)


def _inner(p: Tensor, u: Tensor, v: Tensor) -> Tensor:
    factor = _factor(p)
    return _whiten(factor, u) * _whiten(factor, v)


def _transport(p: Tensor, q: Tensor, u: Tensor) -> Tensor:
    factor = _factor(p)
    half = factor @ exponential(_white_log(factor, p, q) / 2)
    return sym(half @ _whiten(factor, u) @ half.mT)


def _tangent_noise(p: Tensor, generator: Gen) -> Tensor:
    factor = _factor(p)
    return sym(factor @ normal(p, generator) @ factor.mT)


@dataclass(frozen=True)
class SPD:
    r"""Symmetric positive matrices with the affine-invariant metric, curved but without cut locus.

    .. math:: \langle U, V\rangle_P = \mathrm{tr}(P^{-1} U P^{-1} V), \qquad
              \exp_P U = P^{\frac12} e^{P^{-1/2} U P^{-1/2}} P^{\frac12}, \qquad
              d(P, Q) = \big\| \log P^{-\frac12} Q P^{-\frac12} \big\|_F

    Changes of coordinates, P -> A P A^T, are isometries. The noise is a normal law of the tangent space at the
    identity, wrapped by exp; with lambda the eigenvalues of S = log P, derived from the differential of exp,

    .. math:: \log p(P) = \log N(S; 0, s^2) - \sum_{i < j} \log \frac{\sinh \delta_{ij}}{\delta_{ij}},
              \qquad \delta_{ij} = \frac{\lambda_i - \lambda_j}2

    Best in float64. Derivatives are right where eigenvalues repeat, up to the second; those of `noise_log_prob` and
    past the second only where they do not. A matrix that is not positive gives NaN.

    Source: Pennec, Fillard & Ayache, A Riemannian Framework for Tensor Computing (IJCV 2006),
        https://doi.org/10.1007/s11263-005-3222-z.

    Args:
        scale: s > 0, standard deviation of the noise.

    Shapes: points and motions `[B, *E, m, m]`, symmetric; the axes E, and the leaves of a mapping, make products.
        Densities and `log_volume` are those of orthonormal coordinates of the symmetric matrices.
    Raises: `InvalidInput` for a scale that is not positive and finite.

    Example:
        >>> p, q = torch.eye(2)[None], torch.diag(torch.tensor([4.0, 9.0]))[None]
        >>> SPD().exp(p, SPD().log(p, q) / 2).round(decimals=4)  # half way
        tensor([[[2., 0.],
                 [0., 3.]]])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, f"SPD needs a positive, finite scale, got {self.scale}")

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """exp_x(dt u)."""
        return map_state(lambda p, q: _exp(p, like(align(dt, q) * q, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the wrapped normal law."""
        return map_state(lambda p: expm(self.scale * normal(p, generator)), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the wrapped normal law against the Riemannian volume, in nats."""

        def wrapped(p: Tensor) -> Tensor:
            logs = torch.linalg.eigvalsh(p).log()
            m = p.shape[-1]
            i, j = torch.triu_indices(m, m, 1, device=p.device)
            bent = sinhc((logs[..., i] - logs[..., j]).square() / 4).log().sum(-1)
            constant = m * (m + 1) / 2 * math.log(self.scale * math.sqrt(2 * math.pi))
            return -logs.square().sum(-1) / (2 * self.scale**2) - constant - bent

        return rows(wrapped, x)

    def exp(self, x: State, u: State) -> State:
        """Along the geodesic that leaves x with velocity u."""
        return map_state(_exp, x, u)

    def log(self, x: State, y: State) -> State:
        """The tangent vector to y."""
        return map_state(_log, x, y)

    def tangent(self, x: State, u: State) -> State:
        """Symmetric part of u."""
        return map_state(sym, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """tr(x^-1 u x^-1 v) `[B]`."""
        return rows(_inner, x, u, v)

    def project(self, x: State) -> State:
        """The symmetric part of x, its eigenvalues raised to eps times the largest."""
        return map_state(above, x)

    def dimension(self, x: State) -> int:
        """m (m + 1) / 2 for every point of a row."""
        return sum(math.prod(p.shape[1:-1]) * (p.shape[-1] + 1) // 2 for p in leaves(x))

    def log_volume(self, x: State) -> Tensor:
        """-(m + 1) / 2 log det x for every point of a row, `[B]`."""

        def volume(p: Tensor) -> Tensor:
            return -(p.shape[-1] + 1) * _factor(p).diagonal(dim1=-2, dim2=-1).log().sum(-1)

        return rows(volume, x)

    def distance(self, x: State, y: State) -> Tensor:
        """Length `[B]` of the logarithm."""
        return root(rows(lambda p, q: _white_log(_factor(p), p, q).square(), x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """u at x carried to y: E u E^T with E = (y x^-1)^(1/2)."""
        return map_state(_transport, x, y, u)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x."""
        return map_state(lambda p: _tangent_noise(p, generator), x)

    def features(self, x: State) -> State:
        """Orthonormal coordinates of log x, `[B, *E, m (m + 1) / 2]`: all scales alike for a network."""
        return map_state(lambda p: triangle(logm(p)), x)

    def motion(self, x: State, out: State) -> State:
        """What a network says, the motion of `features`, as a tangent vector at x; matrices are symmetrised."""
        return map_state(motion, x, out)
