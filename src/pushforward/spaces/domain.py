"""What convex parts of flat space have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pushforward.core import Gen, State, align, dot, leaves, like, map_state, randn_like

__all__ = ["Domain"]


class Domain(ABC):
    r"""A closed convex set K of flat space with a wall that throws back what would leave.

    .. math:: \exp_x u = F(x + u), \qquad \log_x y = y - x, \qquad F : \mathbb R^d \to K \text{ folds}, \quad F|_K = 1

    Straight segments between two states stay inside, so that `Affine` paths whose weights are a convex combination do,
    and their marginal velocity has no flux through the wall: what is thrown back is the error of a network or of a
    step. The process that small steps converge to is reflection in the sense of Skorokhod,

    .. math:: dX = v(X, t)\, dt + dL_t, \qquad L \text{ grows only on the wall, inwards},

    which is no billiard: the velocity is asked again at the folded place, so a constant one that points outwards
    sticks to the wall. `pull_back` undoes the differential of F, with which a Runge-Kutta method works in the unfolded
    space: stages are folded when the field is asked, their slopes unfolded before they are added.

    Source: Xie et al., Reflected Flow Matching (ICML 2024), https://arxiv.org/abs/2405.16577. Differs: the official
        code's `reflect_velocity` changes nothing (its condition never holds) and its midpoint rule calls a function
        that is not there; here slopes get the signs that the folding gave their places.

    Points are the last event axis; axes before it, and the leaves of a mapping, are products of as many copies.
    """

    convex: ClassVar[bool] = True

    @abstractmethod
    def _fold(self, y: Tensor) -> Tensor:
        """F(y)."""

    @abstractmethod
    def _unfold(self, y: Tensor, v: Tensor) -> Tensor:
        """The vector at y that the differential of F takes to `v`."""

    @abstractmethod
    def _nearest(self, y: Tensor) -> Tensor:
        """The nearest point of K."""

    @abstractmethod
    def _draw(self, shaped: Tensor, generator: Gen) -> Tensor:
        """Draws of the reference law."""

    @abstractmethod
    def _log_density(self, x: Tensor) -> Tensor:
        """Log-density of the reference law, of every point or coordinate `[B, ...]`."""

    @abstractmethod
    def _inside(self, x: Tensor) -> Tensor:
        """Whether every point or coordinate `[B, ...]` is in K."""

    def _tangent(self, u: Tensor) -> Tensor:
        return u

    def _free(self, shape: torch.Size) -> int:
        """Free coordinates of an event of this shape."""
        return shape.numel()

    def move(self, x: State, u: State, dt: Float[Tensor, " b"], *, generator: Gen = None) -> State:
        """x + dt u, folded."""
        return self.exp(x, map_state(lambda q: like(align(dt, q) * q, q), u))

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the reference law."""
        return map_state(lambda p: self._draw(p, generator), like)

    def noise_log_prob(self, x: State) -> Float[Tensor, " b"]:
        """Log-density `[B]` of the noise, in nats; -inf outside."""
        return self._sum(self._log_density, x)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal motions."""
        return self.tangent(x, map_state(lambda p: randn_like(p, generator=generator), x))

    def exp(self, x: State, u: State) -> State:
        """x + u, folded."""
        return map_state(lambda p, q: like(self._fold(p + self._tangent(q)), p, q), x, u)

    def log(self, x: State, y: State) -> State:
        """y - x."""
        return map_state(lambda p, q: q - p, x, y)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """`v` at the folded x + u, as it was before the folding."""
        return map_state(lambda p, q, w: like(self._unfold(p + self._tangent(q), self._tangent(w)), w), x, u, v)

    def tangent(self, x: State, u: State) -> State:
        """`u` without what leaves the plane of K, if it is in one."""
        return map_state(self._tangent, u)

    def transport(self, x: State, y: State, u: State) -> State:
        """`u`: segments are straight."""
        return u

    def inner(self, x: State, u: State, v: State) -> Float[Tensor, " b"]:
        """Dot product `[B]`."""
        return dot(u, v)

    def distance(self, x: State, y: State) -> Float[Tensor, " b"]:
        """Length `[B]` of the segment."""
        gap = self.log(x, y)
        return dot(gap, gap).sqrt()

    def project(self, x: State) -> State:
        """The nearest point."""
        return map_state(self._nearest, x)

    def contains(self, x: State) -> Bool[Tensor, " b"]:
        """Whether all of a row is inside, `[B]`."""
        return cast(Tensor, self._sum(lambda p: (~self._inside(p)).to(p.dtype), x) == 0)

    def dimension(self, x: State) -> int:
        """Number of free coordinates of a row."""
        return sum(self._free(leaf.shape[1:]) for leaf in leaves(x))

    def log_volume(self, x: State) -> Float[Tensor, " b"]:
        """Zeros: the coordinates are those of flat space."""
        first = leaves(x)[0]
        return torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def _sum(self, f: Callable[[Tensor], Tensor], x: State) -> Tensor:
        rows = [f(leaf)[..., None].flatten(1).sum(1) for leaf in leaves(x)]
        return rows[0] if len(rows) == 1 else torch.stack(rows).sum(0)
