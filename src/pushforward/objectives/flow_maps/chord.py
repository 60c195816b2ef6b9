"""The secant of a reference trajectory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import FlowMap, Gen, align, like, map_state
from pushforward.objectives.flow_maps.local import Local, Target

__all__ = ["Chord"]


@dataclass(frozen=True)
class Chord:
    r"""Where a given flow map arrives, as a mean velocity.

    .. math:: T = \frac{X^{\mathrm{ref}}_{s,t}(x_s) - x_s}{t - s}

    Source: Hu et al., CMT: Mid-Training for Efficient Learning of Consistency, Mean Flow, and Flow Map Models (2025),
        https://arxiv.org/abs/2509.24526, whose states lie on the teacher's trajectories; here on noised data.

    Args:
        reference: The map, such as `solvers.Integrated(teacher, RK4(), steps=8)`; called without gradient.
    """

    reference: FlowMap

    def __call__(self, local: Local, *, generator: Gen = None) -> Target:
        """T for every row."""
        with torch.no_grad():
            there = self.reference(local.x, local.s, local.t, local.cond)
        gap = local.t - local.s
        still = gap == 0

        def secant(p: Tensor, x: Tensor, v: Tensor) -> Tensor:
            mean = (p - x) / align(torch.where(still, 1.0, gap), p)
            return like(torch.where(align(still, v), v, mean), v)

        return Target(map_state(secant, there, local.x, local.v))
