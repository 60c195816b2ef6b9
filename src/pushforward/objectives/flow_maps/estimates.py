"""What stands for the marginal velocity in a target."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import (
    Cond,
    Field,
    Path,
    Point,
    State,
    align,
    cat_states,
    leaves,
    map_state,
    null_condition,
    require,
)
from pushforward.fields import NetMap

__all__ = ["Conditional", "Estimated", "Guided", "Teacher", "VelocityEstimate"]


class Estimated(NamedTuple):
    """The velocity at the drawn points, and anywhere: None where only the data's own is known."""

    v: State
    field: Field | None = None


@runtime_checkable
class VelocityEstimate(Protocol):
    """From drawn points to velocities, without gradient."""

    def __call__(self, path: Path, point: Point, cond: Cond, net: NetMap) -> Estimated:
        """The velocity of every row."""
        ...


@dataclass(frozen=True)
class Conditional:
    """The data's own motion, whose mean given x_t is the marginal velocity."""

    def __call__(self, path: Path, point: Point, cond: Cond, net: NetMap) -> Estimated:
        """The velocity of every pair."""
        return Estimated(path.velocity(point))


@dataclass(frozen=True)
class Teacher:
    """A frozen field: a trained one, an exact one, a guided one.

    Args:
        field: `field(x, t, cond)`, on the same path; a network's weights are its owner's to place and to keep.
    """

    field: Field

    def __call__(self, path: Path, point: Point, cond: Cond, net: NetMap) -> Estimated:
        """The teacher's velocity, there and elsewhere."""
        with torch.no_grad():
            return Estimated(self.field(point.x, point.t, cond), self.field)


@dataclass(frozen=True)
class Guided:
    r"""The data's own motion mixed with the network's velocities, so that guidance is learned and costs no call later.

    .. math:: \tilde v = \omega\, \dot x_s + \kappa\, F^-(x_s, s, s, c)
              + (1 - \omega - \kappa)\, F^-(x_s, s, s, \varnothing)

    The network ends as the flow map of the field :math:`w\, v(\cdot, c) + (1 - w)\, v(\cdot, \varnothing)` with
    :math:`w = \omega / (1 - \kappa)`. Rows whose condition was dropped, and rows before `start` or after `stop`, learn
    from the plain motion.

    Source: Geng et al., Mean Flows for One-step Generative Modeling (2025), https://arxiv.org/abs/2505.13447.

    Args:
        omega: Weight of the data's motion, > 0.
        kappa: Weight of the network's own conditional velocity, in [0, 1).
        start: First time that is guided.
        stop: Last time that is guided.

    Raises: `InvalidInput` for numbers out of range.
    """

    omega: float = 1.0
    kappa: float = 0.5
    start: float = 0.0
    stop: float = 1.0

    def __post_init__(self) -> None:
        require(self.omega > 0, f"omega is {self.omega}, expected a number > 0")
        require(0 <= self.kappa < 1, f"kappa is {self.kappa}, expected a number in [0, 1)")
        require(self.start <= self.stop, f"guidance starts at {self.start} and stops at {self.stop}; swap them")

    @property
    def scale(self) -> float:
        """w, the scale of classifier-free guidance that is learned."""
        return self.omega / (1 - self.kappa)

    def __call__(self, path: Path, point: Point, cond: Cond, net: NetMap) -> Estimated:
        """The mixed velocity of every row."""
        v, t = path.velocity(point), point.t
        if cond is None:
            return Estimated(v)
        null = null_condition(cond)
        with torch.no_grad():
            both = net.velocity(cat_states(point.x, point.x), torch.cat([t, t]), cat_states(cond, null))
        rows = len(t)
        guided = ~_same(cond, null) & (t >= self.start) & (t <= self.stop)

        def mix(v: Tensor, f: Tensor) -> Tensor:
            mixed = self.omega * v + self.kappa * f[:rows] + (1 - self.omega - self.kappa) * f[rows:]
            return torch.where(align(guided, v), mixed, v)

        return Estimated(map_state(mix, v, both))


def _same(cond: State, null: State) -> Tensor:
    """Which rows have the null condition, `[B]`."""
    pairs = zip(leaves(cond), leaves(null), strict=True)
    found = [((a == b) | (a.isnan() & b.isnan())).reshape(len(a), -1).all(1) for a, b in pairs]
    return torch.stack(found).all(0)
