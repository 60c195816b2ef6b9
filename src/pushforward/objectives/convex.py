"""Convex costs of a displacement, with their conjugates."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import dot, require

__all__ = ["Convex", "Power", "Quadratic"]


@runtime_checkable
class Convex(Protocol):
    r"""A convex cost c and its conjugate :math:`c^*(y) = \sup_z \langle y, z \rangle - c(z)`."""

    def value(self, z: Tensor) -> Tensor:
        """c(z), `[B]`."""
        ...

    def conjugate(self, y: Tensor) -> Tensor:
        """c*(y), `[B]`."""
        ...

    def slope(self, y: Tensor) -> Tensor:
        """grad c*(y), `[B, *E]`: the displacement whose slope of c is y."""
        ...


@dataclass(frozen=True)
class Quadratic:
    r"""Half a squared distance, in a metric of the user's.

    .. math:: c(z) = \tfrac12 z^\top Q z, \qquad c^*(y) = \tfrac12 y^\top Q^{-1} y, \qquad \nabla c^*(y) = Q^{-1} y

    Args:
        metric: Q `[d, d]`, symmetric and positive definite, over flattened events; None for the identity.

    Raises: `InvalidInput` for a matrix that is not.
    """

    metric: Tensor | None = None

    def __post_init__(self) -> None:
        Q = self.metric
        if Q is None:
            return
        square = Q.ndim == 2 and Q.shape[0] == Q.shape[1]
        require(square, f"metric has shape {list(Q.shape)}, expected [d, d]")
        good = bool(torch.linalg.cholesky_ex(Q).info == 0) and bool(torch.allclose(Q, Q.mT))
        require(good, "metric is not symmetric and positive definite; give the matrix Q of c(z) = z^T Q z / 2")

    def value(self, z: Float[Tensor, "b *e"]) -> Float[Tensor, " b"]:
        """c(z)."""
        return dot(z, z if self.metric is None else (z.flatten(1) @ self.metric.to(z)).reshape(z.shape)) / 2

    def conjugate(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, " b"]:
        """c*(y)."""
        return dot(y, self.slope(y)) / 2

    def slope(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """grad c*(y)."""
        return y if self.metric is None else torch.linalg.solve(self.metric.to(y), y.flatten(1).mT).mT.reshape(y.shape)


@dataclass(frozen=True)
class Power:
    r"""A power of the Euclidean distance.

    .. math:: c(z) = \tfrac1p |z|^p, \qquad c^*(y) = \tfrac1q |y|^q, \qquad \nabla c^*(y) = |y|^{q - 2} y, \qquad
              \tfrac1p + \tfrac1q = 1

    For p > 2 the slope of c* is steep at y = 0 (q < 2), where it is held at `floor`.

    Args:
        p: > 1.
        floor: Length below which |y| counts as so long, > 0.

    Raises: `InvalidInput` for numbers out of range.
    """

    p: float = 2.0
    floor: float = 1e-4

    def __post_init__(self) -> None:
        require(1 < self.p < float("inf"), f"p is {self.p}, expected a number > 1")
        require(self.floor > 0, f"floor is {self.floor}, expected a length > 0")

    @property
    def dual(self) -> float:
        """q."""
        return self.p / (self.p - 1)

    def value(self, z: Float[Tensor, "b *e"]) -> Float[Tensor, " b"]:
        """c(z)."""
        return dot(z, z).clamp_min(self.floor**2) ** (self.p / 2) / self.p

    def conjugate(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, " b"]:
        """c*(y)."""
        return dot(y, y).clamp_min(self.floor**2) ** (self.dual / 2) / self.dual

    def slope(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """grad c*(y)."""
        scale = dot(y, y).clamp_min(self.floor**2) ** (self.dual / 2 - 1)
        return y * scale.reshape(-1, *[1] * (y.ndim - 1))
