"""Two legs must lead where one does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, leaves, like, map_state, rand, require
from pushforward.objectives.flow_maps.local import Local, Target

__all__ = ["Compose"]

Fraction: TypeAlias = float | Callable[[Tensor, Tensor], Tensor] | None


@dataclass(frozen=True)
class Compose:
    r"""Additivity of the integral: a first leg over a share a of the interval, then the network over the rest.

    .. math:: T = a\,q + (1 - a)\,F^-(x_m, m, t), \qquad m = s + a (t - s), \quad x_m = x_s + (m - s)\, q

    The first leg q is the network's own, :math:`F^-(x_s, s, m)`, or the velocity. As a falls to 0 with the velocity,
    (F - T) / a becomes the gap of `Tangent`; at a = 1 the target is the velocity itself. With the velocity and a fixed
    a the fixed point is the slope of Euler's method on a geometric grid. With the *data's own* velocity the target is
    biased for 0 < a < 1, as F is asked at a point that depends on it.

    Source: Guo et al., SplitMeanFlow (2025), https://arxiv.org/abs/2507.16884; Frans et al., One Step Diffusion via
        Shortcut Models (2025), https://arxiv.org/abs/2410.12557; Zhang et al., AlphaFlow (2025),
        https://arxiv.org/abs/2510.20771.

    Args:
        fraction: a in (0, 1]: a number, a function of s and t `[B]`, or None to draw it uniformly.
        own: Whether the network makes the first leg.
        finest: Legs that are not longer ask the network for its velocity, which is all it learns there.
        scaled: Whether the gap is read in units of a, as in the limit a -> 0.

    Raises: `InvalidInput` for numbers out of range.
    """

    fraction: Fraction = None
    own: bool = True
    finest: float = 0.0
    scaled: bool = False

    def __post_init__(self) -> None:
        share = self.fraction
        require(
            share is None or callable(share) or 0 < share <= 1,
            f"fraction is the share of the first leg, got {share}; choose one in (0, 1]",
        )
        require(0 <= self.finest < 1, f"finest is the length of a leg, got {self.finest}; choose one in [0, 1)")

    def __call__(self, local: Local, *, generator: Gen = None) -> Target:
        """T for every row."""
        s, t = local.s, local.t
        if self.fraction is None:
            a = rand((len(s),), leaves(local.x)[0], generator=generator)
        else:
            a = self.fraction(s, t) if callable(self.fraction) else torch.full_like(s, self.fraction)
        m = torch.lerp(s, t, a)
        with torch.no_grad():
            q = self._leg(local, local.x, s, m) if self.own else local.v
            there = map_state(lambda p, u: like(torch.addcmul(p, align(m - s, u), u), p), local.x, q)
            rest = self._leg(local, there, m, t)

        def target(q: Tensor, f: Tensor) -> Tensor:
            return torch.where(align(a == 1, q), q, torch.lerp(f, q, align(a, q).to(q.dtype)))

        return Target(map_state(target, q, rest), a if self.scaled else None)

    def _leg(self, local: Local, x: State, s: Tensor, t: Tensor) -> State:
        short = t - s <= self.finest * (1 + 1e-5)  # of times on a grid, rounded
        return local.mean(x, s, torch.where(short, s, t) if self.finest else t)
