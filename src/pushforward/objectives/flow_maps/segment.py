"""Consistency within a segment, at a fixed gap in time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, align, like, map_state, require
from pushforward.objectives.flow_maps.local import Local, Target

__all__ = ["Segment"]


@dataclass(frozen=True)
class Segment:
    r"""Two points of one line must lead to one end of their segment, and ask for one velocity.

    .. math:: \big\lVert f(x_s, s) - \mathrm{sg} f(x_m, m) \big\rVert^2
              + \lambda \big\lVert F(x_s) - \mathrm{sg} F(x_m) \big\rVert^2, \qquad
              f(x, s) = x + (t - s) F(x, s, t), \quad m = s + h

    Where m reaches `boundary`, or the segment's end, the first target is the line's own point there, and the second
    term is left out. In velocities, with w = (t - s)^2, both terms are one square (derived, up to a constant):
    :math:`(w + \lambda) \lVert F - (w T + \lambda F^-) / (w + \lambda) \rVert^2` with the target T of `Compose`.

    Source: Yang et al., Consistency Flow Matching (2024), https://arxiv.org/abs/2407.02398.

    Args:
        gap: h > 0, in units of time.
        boundary: Time from which data stand in for the network, in [0, 1]; 0 is weighted flow matching.
        strength: lambda >= 0.
    """

    gap: float = 1e-3
    boundary: float = 0.9
    strength: float = 1e-5

    def __post_init__(self) -> None:
        require(self.gap > 0, f"gap is {self.gap}, expected a time > 0")
        require(0 <= self.boundary <= 1, f"boundary is {self.boundary}, expected a time in [0, 1]")
        require(self.strength >= 0, f"strength is {self.strength}, expected a number >= 0")

    def __call__(self, local: Local, *, generator: Gen = None) -> Target:
        """T and its weight for every row."""
        s, t = local.s, local.t
        m = torch.minimum(s + self.gap, t)
        square = (t - s).square()
        inner = (m < self.boundary) & (t - s > 1.01 * self.gap)
        if self.boundary == 0:
            return Target(local.v, weight=square)
        with torch.no_grad():
            there = map_state(lambda p, v: like(torch.addcmul(p, align(m - s, v), v), p), local.x, local.v)
            rest = local.mean(there, m, t)
        a = torch.where(inner, self.gap / (t - s).clamp_min(self.gap), 1.0)
        extra = torch.where(inner, self.strength, 0.0)
        share = extra / (square + extra).clamp_min(torch.finfo(square.dtype).tiny)

        def target(v: Tensor, f: Tensor) -> Tensor:
            own = align(a, v) * v + align(1 - a, f) * f
            return like(torch.lerp(own, f.to(own.dtype), align(share, own)), v)

        return Target(map_state(target, local.v, rest), weight=square + extra)
