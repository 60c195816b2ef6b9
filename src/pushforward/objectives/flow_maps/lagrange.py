"""The Lagrangian rule: the derivative of the map in its own time."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.core import Gen, align, jvp, like, map_state
from pushforward.objectives.flow_maps.local import Local, Target

__all__ = ["Lagrange"]


@dataclass(frozen=True)
class Lagrange:
    r"""Where the map arrives it must move with the velocity of that place.

    .. math:: T = v\big(X^-, t\big) - (t - s)\, \partial_t F^-(x_s, s, t), \qquad X^- = x_s + (t - s)\, F^-(x_s, s, t)

    At the fixed point :math:`\partial_t X_{s,t} = v(X_{s,t}, t)`. The velocity is needed at a predicted point, where
    data have none: it is the teacher's, or, without one, the network's own F(X, t, t).

    Source: Sabour et al., Align Your Flow (2025), https://arxiv.org/abs/2506.14603; Boffi et al., Flow Map Matching
        (2024), https://arxiv.org/abs/2406.07507.
    """

    def __call__(self, local: Local, *, generator: Gen = None) -> Target:
        """T for every row."""
        s, t, gap = local.s, local.t, local.t - local.s
        with torch.no_grad():
            inputs: tuple[Any, ...] = (t,)
            mean, slope = jvp(lambda t: local.mean(local.x, s, t), inputs, (torch.ones_like(t),))
            there = map_state(lambda p, u: like(torch.addcmul(p, align(gap, u), u), p), local.x, mean)
            v = local.mean(there, t, t) if local.field is None else local.field(there, t, local.cond)

        def target(v: Tensor, d: Tensor) -> Tensor:
            return like(torch.addcmul(v, align(gap, d), d, value=-1), v)

        return Target(map_state(target, v, slope))
