"""Rotations of space."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, leaves, like, map_state, randn
from pushforward.spaces._radial import dots, root, rows, twist
from pushforward.spaces._rotation import angle, from_quaternion, hat, logarithm, polar, rodrigues, vee
from pushforward.spaces.igso3 import IGSO3

__all__ = ["SO3"]


def _exp(x: Tensor, u: Tensor) -> Tensor:
    return x @ rodrigues(vee(x.mT @ u))


def _log(x: Tensor, y: Tensor) -> Tensor:
    return x @ hat(logarithm(x, y))


def _move(x: Tensor, u: Tensor) -> Tensor:
    y = _exp(x, u)
    return 1.5 * y - 0.5 * y @ (y.mT @ y)  # Newton's step to the nearest rotation


def _transport(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    half = rodrigues(logarithm(x, y) / 2)
    return x @ half @ x.mT @ u @ half


@dataclass(frozen=True)
class SO3:
    r"""Rotation matrices with the metric whose distance is the angle, and uniform noise unless told otherwise.

    .. math:: \langle U, V\rangle = \tfrac12 \mathrm{tr}(U^\top V), \qquad
              \exp_R(R [a]_\times) = R\, e^{[a]_\times}, \qquad d(R, Q) = \angle(R^\top Q) \in [0, \pi],
              \qquad \mathrm{vol} = 8 \pi^2

    Multiplications from both sides are isometries. Half a turn apart two geodesics are shortest; `log` takes the one
    about the axis whose largest entry is positive. It goes through a quaternion, so that all its digits hold at every
    angle, and its derivatives are finite.

    Args:
        reference: Law of its noise; None for the uniform law.

    Shapes: points `[B, *E, 3, 3]`; motions are the matrices R [a]_x; the axes E, and the leaves of a mapping, make
        products.

    Example:
        >>> space, turn = SO3(), torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> space.distance(torch.eye(3)[None], turn) / torch.pi
        tensor([0.5000])
    """

    reference: IGSO3 | None = None

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """exp_x(dt u), drawn to the nearest rotation."""
        return map_state(lambda p, q: _move(p, like(align(dt, q) * q, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the reference law."""
        if self.reference is not None:
            return self.reference.noise(like, generator=generator)
        quaternion = lambda p: randn((*p.shape[:-2], 4), p, generator=generator)
        return map_state(lambda p: from_quaternion(quaternion(p)), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the noise against the volume of 8 pi^2, in nats."""
        if self.reference is not None:
            return self.reference.log_prob(x)
        return rows(lambda p: p.new_full(p.shape[:-2], -math.log(8 * math.pi**2)), x)

    def exp(self, x: State, u: State) -> State:
        """x turned about a fixed axis."""
        return map_state(_exp, x, u)

    def log(self, x: State, y: State) -> State:
        """x [a]_x with a the axis of x^T y times its angle in [0, pi]."""
        return map_state(_log, x, y)

    def tangent(self, x: State, u: State) -> State:
        """x times the antisymmetric part of x^T u."""
        return map_state(lambda p, q: p @ hat(vee(p.mT @ q)), x, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """tr(u^T v) / 2 `[B]`."""
        return rows(lambda p, q: p * q / 2, u, v)

    def project(self, x: State) -> State:
        """The nearest rotation."""
        return map_state(polar, x)

    def dimension(self, x: State) -> int:
        """3 for every point of a row."""
        return sum(3 * math.prod(p.shape[1:-2]) for p in leaves(x))

    def log_volume(self, x: State) -> Tensor:
        """0: up to the constant 1/2 of the metric, the embedding is isometric."""
        return rows(lambda p: p.new_zeros(p.shape[:1]), x)

    def distance(self, x: State, y: State) -> Tensor:
        """The angle `[B]` of x^T y."""
        return root(rows(lambda p, q: angle(p, q).square(), x, y))

    def transport(self, x: State, y: State, u: State) -> State:
        """u at x carried to y: x e^(A/2) x^T u e^(A/2) with A = [a]_x, y = x e^A."""
        return map_state(_transport, x, y, u)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """v at exp_x(u) carried back to x: the inverse of the right Jacobian of SO(3); |u| < 2 pi."""

        def back(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
            a = vee(p.mT @ q)
            w, square = vee((p @ rodrigues(a)).mT @ r), dots(a, a)
            half = torch.linalg.cross(a, w) / 2
            return p @ hat(w + half + twist(square) * torch.linalg.cross(a, torch.linalg.cross(a, w)))

        return map_state(back, x, u, v)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x."""
        return map_state(lambda p: p @ hat(randn((*p.shape[:-2], 3), p, generator=generator)), x)
