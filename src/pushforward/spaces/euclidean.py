"""Flat space."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, dot, event_size, like, map_state, randn_like
from pushforward.spaces._flat import Flat
from pushforward.spaces.student_t import StudentT

__all__ = ["Euclidean"]


@dataclass(frozen=True)
class Euclidean(Flat):
    r"""Flat space R^E, with standard normal noise unless told otherwise; every mapping of tensors is one, too.

    .. math:: \exp_x u = x + u, \qquad \log_x y = y - x, \qquad \langle u, v\rangle = \textstyle\sum_i u_i v_i

    Args:
        reference: Law of its noise, from which paths start; None for N(0, I).

    Shapes: states and motions `[B, *E]`, `dt` `[B]`.

    Example:
        >>> Euclidean().move(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([0.5]))
        tensor([[0.5000, 0.5000]])
    """

    convex: ClassVar[bool] = True
    reference: StudentT | None = None

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """x + dt u."""
        return map_state(lambda p, q: like(torch.addcmul(p, align(dt, q), q), p, q), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Draws of the reference law."""
        if self.reference is not None:
            return self.reference.noise(like, generator=generator)
        return map_state(lambda p: randn_like(p, generator=generator), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the noise, in nats."""
        if self.reference is not None:
            return self.reference.log_prob(x)
        return -0.5 * dot(x, x) - 0.5 * event_size(x) * math.log(2 * math.pi)

    def exp(self, x: State, u: State) -> State:
        """x + u."""
        return map_state(lambda p, q: p + q, x, u)

    def log(self, x: State, y: State) -> State:
        """y - x."""
        return map_state(lambda p, q: q - p, x, y)

    def tangent(self, x: State, u: State) -> State:
        """u: every vector is tangent."""
        return u

    def project(self, x: State) -> State:
        """x."""
        return x

    def dimension(self, x: State) -> int:
        """Number of coordinates of a row."""
        return event_size(x)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal draws."""
        return map_state(lambda p: randn_like(p, generator=generator), x)
