"""The Lagrangian rule: the derivative of the map in its own time."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Gen, align, dual, like, map_state
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
        x, s, t, gap = cast(Tensor, local.x), local.s, local.t, local.t - local.s
        said, slope = dual(lambda t: cast(Tensor, local.mean(x, s, t)), (t,), (torch.ones_like(t),))
        with torch.no_grad():
            mean, slope = said.detach(), slope.detach()
            there = like(torch.addcmul(x, align(gap, mean), mean), x)
            v = local.mean(there, t, t) if local.field is None else local.field(there, t, local.cond)

        def target(v: Tensor, d: Tensor) -> Tensor:
            return like(torch.addcmul(v, align(gap, d), d, value=-1), v)

        return Target(map_state(target, v, slope), said=said)
