"""Even functions of a length, as smooth functions of its square: no derivative breaks at length 0."""

from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.core import State, leaves, map_state

__all__ = [
    "artanhc",
    "asinhc",
    "cos",
    "cosh",
    "dots",
    "norm",
    "root",
    "rows",
    "shrink",
    "sinc",
    "sinhc",
    "stretch",
    "tanhc",
    "twist",
]

# below it five terms of each series are exact in float64
SMALL = 1e-3


def _even(q: Tensor, series: tuple[float, ...], far: Callable[[Tensor], Tensor]) -> Tensor:
    """The series in q = r^2 near 0, `far(r)` elsewhere; the unused branch sees r^2 = 1/2 and has a finite gradient."""
    small = q < SMALL
    near = torch.full_like(q, series[-1])
    for c in reversed(series[:-1]):
        near = near * q + c
    return torch.where(small, near, far(torch.where(small, 0.5, q).sqrt()))


def cos(q: Tensor) -> Tensor:
    """Cosine of r."""
    return _even(q, (1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320), torch.cos)


def sinc(q: Tensor) -> Tensor:
    """sin(r) / r."""
    return _even(q, (1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880), lambda r: r.sin() / r)


def cosh(q: Tensor) -> Tensor:
    """Hyperbolic cosine of r."""
    return _even(q, (1, 1 / 2, 1 / 24, 1 / 720, 1 / 40320), torch.cosh)


def sinhc(q: Tensor) -> Tensor:
    """sinh(r) / r."""
    return _even(q, (1, 1 / 6, 1 / 120, 1 / 5040, 1 / 362880), lambda r: r.sinh() / r)


def asinhc(q: Tensor) -> Tensor:
    """arsinh(r) / r."""
    return _even(q, (1, -1 / 6, 3 / 40, -5 / 112, 35 / 1152), lambda r: r.asinh() / r)


def artanhc(q: Tensor) -> Tensor:
    """artanh(r) / r."""
    return _even(q, (1, 1 / 3, 1 / 5, 1 / 7, 1 / 9), lambda r: r.atanh() / r)


def tanhc(q: Tensor) -> Tensor:
    """tanh(r) / r."""
    return _even(q, (1, -1 / 3, 2 / 15, -17 / 315, 62 / 2835), lambda r: r.tanh() / r)


def stretch(q: Tensor) -> tuple[Tensor, Tensor]:
    """f = r / sin(r) and (1 - f) / r^2: how a sphere's exp shrinks what is across the geodesic, undone."""
    series = (-1 / 6, -7 / 360, -31 / 15120, -127 / 604800, -73 / 3421440)
    return 1 / sinc(q), _even(q, series, lambda r: (1 - r / r.sin()) / r.square())


def shrink(q: Tensor) -> tuple[Tensor, Tensor]:
    """f = r / sinh(r) and (1 - f) / r^2: the same for hyperbolic space."""
    series = (1 / 6, -7 / 360, 31 / 15120, -127 / 604800, 73 / 3421440)
    return 1 / sinhc(q), _even(q, series, lambda r: (1 - r / r.sinh()) / r.square())


def twist(q: Tensor) -> Tensor:
    """(1 - (r / 2) cot(r / 2)) / r^2, of the inverse Jacobian of rotations."""
    series = (1 / 12, 1 / 720, 1 / 30240, 1 / 1209600, 1 / 47900160)
    return _even(q, series, lambda r: (1 - r / 2 / (r / 2).tan()) / r.square())


def root(q: Tensor) -> Tensor:
    """Square root with derivative 0 at 0, where a distance has none."""
    zero = q <= 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, q).sqrt())


def dots(u: Tensor, v: Tensor) -> Tensor:
    """Inner product over the last axis, which stays."""
    return (u * v).sum(-1, keepdim=True)


def norm(u: Tensor) -> Tensor:
    """Length over the last axis, which stays; its derivative is 0 at 0."""
    return root(dots(u, u))


def rows(f: Callable[..., Tensor], x: State, *rest: State) -> Tensor:
    """Sum `[B]` of `f(leaf, ...)` over all leaves and all axes but the first."""
    parts = [leaf[..., None].flatten(1).sum(1) for leaf in leaves(map_state(f, x, *rest))]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
