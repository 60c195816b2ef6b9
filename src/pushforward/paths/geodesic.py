"""Shortest paths between paired points of a smooth space."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from pushforward.core import (
    Gen,
    Incompatible,
    Law,
    Pairs,
    Point,
    Schedule,
    Smooth,
    State,
    align,
    like,
    map_state,
    require,
    require_part,
)
from pushforward.paths.schedules import CondOT

__all__ = ["Geodesic"]

LATE = 1e-4  # least 1 - kappa that `drift` divides by


def _times(k: Tensor, u: State) -> State:
    return map_state(lambda p: like(align(k, p) * p, p), u)


@dataclass(frozen=True)
class Geodesic:
    r"""Geodesic interpolation between paired points.

    .. math:: x_t = \exp_{x_0}\!\big(\kappa_t \log_{x_0} x_1\big), \qquad
              \dot x_t = \kappa'_t\, \frac{d}{d\kappa} \exp_{x_0}(\kappa \log_{x_0} x_1)
              = \frac{\kappa'_t}{1 - \kappa_t} \log_{x_t} x_1 = -\frac{\kappa'_t}{\kappa_t} \log_{x_t} x_0,
              \qquad \kappa_0 = 0,\ \kappa_1 = 1

    The velocity is tangent at x_t and has the length kappa' d(x0, x1); it is told by the end that is farther from x_t,
    which is regular at both times and away from every cut locus. On flat space this is `Affine`. From noise on a
    compact space some pairs lie near each other's cut locus, where nearby starts take far ways: the marginal velocity
    is regular there, its targets vary much.

    Source: Chen & Lipman, Flow Matching on General Geometries (ICLR 2024), https://arxiv.org/abs/2302.03660. Differs:
        the paper starts the logarithm at x1, which is the same curve.

    Args:
        space: Where the points live; gives `exp`, `log` and noise.
        schedule: Times to the share of the way; alpha of it, from 0 to 1, is kappa.

    Shapes: anchors and states `[B, *E]`, `t` `[B]` in [0, 1].
    Raises: `Incompatible` at construction for a space without logarithm (`Tokens`, `Mesh`), and for a schedule that
        does not go from 0 to 1.

    Example:
        >>> path = Geodesic(pf.spaces.Sphere())
        >>> pairs = Pairs((torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])))
        >>> path.sample(pairs, torch.tensor([0.5])).x
        tensor([[0.7071, 0.7071, 0.0000]])
    """

    space: Smooth
    schedule: Schedule = field(default_factory=CondOT)

    def __post_init__(self) -> None:
        require(
            isinstance(self.space, Smooth),
            f"{type(self.space).__name__} has no logarithm and so no geodesics; use Premetric with a distance of its "
            "own, or another path",
            Incompatible,
        )
        require_part("Geodesic.schedule", self.schedule, Schedule, "times to alpha, sigma and derivatives, as CondOT()")
        ends = self.schedule(torch.tensor([0.0, 1.0], dtype=torch.float64)).alpha
        require(
            abs(float(ends[0])) < 1e-6 and abs(float(ends[1]) - 1) < 1e-6,
            f"a geodesic goes from x0 to x1, but alpha of {self.schedule} goes from {float(ends[0]):.4g} to "
            f"{float(ends[1]):.4g}; use CondOT() or Polynomial()",
            Incompatible,
        )

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given both ends."""
        way = self.space.log(pairs.x0, pairs.x1)
        return Point(self.space.move(pairs.x0, way, self.schedule(t).alpha), t, pairs)

    def velocity(self, point: Point) -> State:
        """Conditional velocity at a drawn point."""
        c = self.schedule(point.t)
        alpha = cast(Tensor, c.alpha)
        late = alpha > 0.5
        far = map_state(lambda p, q: torch.where(align(late, p), p, q), point.pairs.x0, point.pairs.x1)
        return _times(c.d_alpha / torch.where(late, -alpha, 1 - alpha), self.space.log(point.x, far))

    def drift(self, law: Law, x: State, t: Tensor) -> State:
        """Motion towards a point estimate of x1: what an endpoint network on a curved space means."""
        c = self.schedule(t)
        left = cast(Tensor, 1 - c.alpha).clamp_min(LATE)
        return _times(c.d_alpha / left, self.space.log(x, law.mean))
