"""Functions of symmetric matrices `[..., m, m]`, with right derivatives where eigenvalues repeat."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.core import Gen, randn_like

__all__ = [
    "above",
    "dexp",
    "dlog",
    "expm",
    "exponential",
    "logm",
    "logm1p",
    "motion",
    "normal",
    "quotient",
    "square",
    "sym",
    "triangle",
]

# Derivatives of eigenvectors divide by differences of eigenvalues, and break at the identity. So eigenvectors are
# constants here, and derivatives come from the equation that the answer solves: a chord step of Newton's method with
# the Jacobian at the answer changes no value and makes one more order of derivatives exact.
ORDER = 2


def sym(x: Tensor) -> Tensor:
    """Symmetric part."""
    return (x + x.mT) / 2


def normal(x: Tensor, generator: Gen) -> Tensor:
    """Standard normal symmetric matrices like x: variance 1 on the diagonal, 1/2 off it."""
    return sym(randn_like(x, generator=generator))


def triangle(x: Tensor) -> Tensor:
    """Orthonormal coordinates `[..., m (m + 1) / 2]`: the upper triangle, off the diagonal times sqrt(2)."""
    m = x.shape[-1]
    i, j = torch.triu_indices(m, m, device=x.device)
    return x[..., i, j] * torch.where(i == j, 1.0, math.sqrt(2)).to(x)


def square(v: Tensor) -> Tensor:
    """The symmetric matrix with these coordinates: undoes `triangle`."""
    m = (math.isqrt(8 * v.shape[-1] + 1) - 1) // 2
    i, j = torch.triu_indices(m, m, device=v.device)
    k = torch.arange(len(i), device=v.device)
    basis = v.new_zeros(len(i), m, m)
    basis[k, i, j] = basis[k, j, i] = torch.where(i == j, 1.0, math.sqrt(0.5)).to(v)
    return torch.einsum("...k,kij->...ij", v, basis)


def exponential(x: Tensor) -> Tensor:
    """exp of any square matrices; torch 2.13 loses half the digits of a single float32 one, not of two."""
    if x.dtype == torch.float32 and x.shape[:-2].numel() == 1:
        return torch.linalg.matrix_exp(torch.stack([x, x]))[0]
    return torch.linalg.matrix_exp(x)


def expm(x: Tensor) -> Tensor:
    """Exponential, symmetric and positive by construction."""
    root = exponential(x / 2)
    return sym(root @ root.mT)


def dexp(a: Tensor, e: Tensor) -> Tensor:
    """Differential of the exponential at a, along e: a block of the exponential of [[a, e], [0, a]]."""
    m = a.shape[-1]
    block = torch.cat([torch.cat([a, e], -1), torch.cat([torch.zeros_like(a), a], -1)], -2)
    return exponential(block)[..., :m, m:]


def quotient(p: Tensor) -> Tensor:
    """(log a - log b) / (a - b) for all pairs of eigenvalues `[..., m]`; 1 / a where they are equal."""
    a, b = p[..., :, None], p[..., None, :]
    square = ((a - b) / (a + b)).square()
    near = square < 1e-3
    series = 1 + square * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9 + square / 11))))
    return torch.where(near, 2 / (a + b) * series, (a.log() - b.log()) / torch.where(near, 1.0, a - b))


def _basis(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, and eigenvectors; constants."""
    values, vectors = torch.linalg.eigh(x.detach())
    return values, vectors


def _chords(f: Callable[[Tensor], Tensor], solve: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """The root of f that `start` is, with derivatives; `solve` undoes the Jacobian of -f there."""
    for _ in range(ORDER):
        change = solve(f(start))
        start = start + (change - change.detach())
    return start


def _solver(values: Tensor, vectors: Tensor) -> Callable[[Tensor], Tensor]:
    """The differential of log at a constant matrix."""
    k = quotient(values)
    return lambda e: vectors @ (k * (vectors.mT @ e @ vectors)) @ vectors.mT


def logm(p: Tensor) -> Tensor:
    """Logarithm of a positive matrix."""
    values, vectors = _basis(p)
    start = sym((vectors * values.log()[..., None, :]) @ vectors.mT)
    return _chords(lambda x: p - exponential(x), _solver(values, vectors), start)


def logm1p(p: Tensor, e: Tensor) -> Tensor:
    """Logarithm of p = 1 + e, both given: from e where it is small, which keeps the relative precision."""
    near = e.detach().abs().amax((-2, -1), keepdim=True) < 0.25
    values, vectors = _basis(torch.where(near, e, p))
    near = near[..., 0]
    logs = torch.where(near, torch.where(near, values, 0.0).log1p(), torch.where(near, 1.0, values).log())
    start = sym((vectors * logs[..., None, :]) @ vectors.mT)
    values = torch.where(near, 1 + values, values)
    return _chords(lambda x: p - exponential(x), _solver(values, vectors), start)


def dlog(p: Tensor, log: Tensor, u: Tensor) -> Tensor:
    """Differential of the logarithm at a positive matrix p, `log` given, along u: solves dexp(log, x) = u."""
    solve = _solver(*_basis(p))
    return _chords(lambda x: u - dexp(log, x), solve, solve(u.detach()))


def above(x: Tensor) -> Tensor:
    """The nearest matrix with eigenvalues of at least eps times the largest; the identity, and its derivative, above.

    The correction is a constant for derivatives.
    """
    x = sym(x)
    values, vectors = _basis(x)
    eps = torch.finfo(x.dtype).eps
    floor = (eps * values[..., -1:]).clamp_min(torch.finfo(x.dtype).tiny)
    return x + (vectors * (floor - values).clamp_min(0)[..., None, :]) @ vectors.mT


def motion(p: Tensor, out: Tensor) -> Tensor:
    """The motion of p whose logarithm moves by the matrix of the coordinates `out`; a matrix is only symmetrised."""
    return sym(out) if out.shape == p.shape else sym(dexp(logm(p), square(out)))
