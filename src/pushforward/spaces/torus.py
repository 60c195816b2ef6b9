"""Flat tori."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, event_size, like, map_state, rand, randn_like, require
from pushforward.spaces._flat import Flat
from pushforward.spaces._radial import rows

__all__ = ["Torus"]


@dataclass(frozen=True)
class Torus(Flat):
    r"""The flat torus [0, P)^n, with uniform noise; angles unless told otherwise.

    .. math:: \exp_x u = (x + u) \bmod P, \qquad \log_x y = (y - x) - P \,\mathrm{round}\frac{y - x}{P}

    The logarithm has entries in [-P/2, P/2]; half a period away both ways are shortest, and it keeps the sign of y - x.

    Args:
        period: P > 0, one for all coordinates or one for each entry of the last axis.

    Shapes: states and motions `[B, *E]`; every coordinate is a circle.
    Raises: `InvalidInput` for periods that are not positive and finite.

    Example:
        >>> Torus(period=1.0).log(torch.tensor([[0.1, 0.2]]), torch.tensor([[0.9, 0.3]]))
        tensor([[-0.2000,  0.1000]])
    """

    period: float | tuple[float, ...] = 2 * math.pi

    def __post_init__(self) -> None:
        periods = self.period if isinstance(self.period, tuple) else (self.period,)
        require(
            len(periods) > 0 and all(0 < p < math.inf for p in periods),
            f"Torus needs positive, finite periods, got {self.period}",
        )

    def _period(self, x: Tensor) -> Tensor:
        if isinstance(self.period, tuple):
            require(
                x.ndim > 1 and x.shape[-1] == len(self.period),
                f"points have shape {list(x.shape)}, but Torus has {len(self.period)} periods; give one per entry of "
                "the last axis",
            )
        return torch.as_tensor(self.period, dtype=x.dtype, device=x.device)

    def _wrap(self, x: Tensor) -> Tensor:
        period = self._period(x)
        r = x.remainder(period)
        return torch.where(r < period, r, r - period)  # a tiny negative angle is rounded to the period itself

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """x + dt u, wrapped."""
        return map_state(lambda p, q: self._wrap(p + like(align(dt, q) * q, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Uniform draws."""
        return map_state(lambda p: self._wrap((self._period(p) * rand(p.shape, p, generator=generator)).to(p)), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Minus the sum of log P over all coordinates, `[B]`."""
        return -rows(lambda p: self._period(p).log().expand_as(p), x)

    def exp(self, x: State, u: State) -> State:
        """x + u, wrapped."""
        return map_state(lambda p, q: self._wrap(p + q), x, u)

    def log(self, x: State, y: State) -> State:
        """y - x, up to whole periods the shortest."""

        def shortest(p: Tensor, q: Tensor) -> Tensor:
            period = self._period(p)
            return (q - p) - period * ((q - p) / period).round()

        return map_state(shortest, x, y)

    def tangent(self, x: State, u: State) -> State:
        """u: every vector is tangent."""
        return u

    def project(self, x: State) -> State:
        """x, wrapped."""
        return map_state(self._wrap, x)

    def dimension(self, x: State) -> int:
        """Number of coordinates of a row."""
        return event_size(x)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """v."""
        return v

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal draws."""
        return map_state(lambda p: randn_like(p, generator=generator), x)

    def features(self, x: State) -> State:
        """sin and cos of the angles 2 pi x / P, side by side on the last axis: periodic inputs for a network."""

        def waves(p: Tensor) -> Tensor:
            angle = 2 * math.pi * p / self._period(p)
            return torch.cat([angle.sin(), angle.cos()], -1)

        return map_state(waves, x)

    def motion(self, x: State, out: State) -> State:
        """What a network says, a vector in the plane of every circle, as a motion of the angles; motions stay."""

        def turn(p: Tensor, q: Tensor) -> Tensor:
            if q.shape == p.shape:
                return q
            scale = self._period(p) / (2 * math.pi)
            rise, run = q.chunk(2, -1)
            angle = p / scale
            return scale * (angle.cos() * rise - angle.sin() * run)

        return map_state(turn, x, out)
