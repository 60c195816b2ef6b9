"""What a target is made from: an interval, the states at its start, and the network as it is."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import Cond, Field, Gen, Point, State, cat_states, map_state
from pushforward.fields import NetMap
from pushforward.objectives.flow_maps.estimates import Estimated

__all__ = ["Local", "Rule", "Target"]


class Local(NamedTuple):
    """Rows `[B]` whose intervals have a length.

    `map` is the network, told `cond`; rules call it under `no_grad` unless they say otherwise. `v` is the estimate of
    the velocity at `x` and `s`, and `field` the velocity anywhere, None where only the data's own is known.
    """

    map: NetMap
    x: State
    s: Tensor
    t: Tensor
    cond: Cond
    v: State
    field: Field | None

    @classmethod
    def of(cls, net: NetMap, point: Point, t: Tensor, cond: Cond, velocity: Estimated) -> "Local":
        """At drawn points."""
        return cls(net, point.x, point.t, t, cond, velocity.v, velocity.field)

    def before(self, end: int) -> "Local":
        """The rows up to `end`."""
        return self._rows(slice(None, end))

    def after(self, first: int) -> "Local":
        """The rows from `first` on."""
        return self._rows(slice(first, None))

    def _rows(self, rows: slice) -> "Local":
        x, v, cond = (None if p is None else map_state(lambda q: q[rows], p) for p in (self.x, self.v, self.cond))
        assert x is not None
        assert v is not None
        return self._replace(x=x, s=self.s[rows], t=self.t[rows], cond=cond, v=v)

    def mean(self, x: State, s: Tensor, t: Tensor) -> State:
        """F(x, s, t)."""
        return self.map.mean_velocity(x, s, t, self.cond)

    def twice(self, x: State, s: Tensor, y: State, r: Tensor) -> tuple[State, State]:
        """F(x, s, t) and F(y, r, t), evaluated as one batch."""
        cond = None if self.cond is None else cat_states(self.cond, self.cond)
        both = self.map.mean_velocity(cat_states(x, y), torch.cat([s, r]), torch.cat([self.t, self.t]), cond)
        rows = len(s)
        return map_state(lambda p: p[:rows], both), map_state(lambda p: p[rows:], both)


class Target(NamedTuple):
    """What F(x, s, t) should be. The gap is read in units of `scale` and counts `weight` times, `[B]`; None for 1.

    `said` is F itself, with its graph, from a rule that has evaluated it anyway.
    """

    value: State
    scale: Tensor | None = None
    weight: Tensor | None = None
    said: State | None = None


@runtime_checkable
class Rule(Protocol):
    """From what is known at the start of an interval to what the mean velocity over it should be."""

    def __call__(self, local: Local, *, generator: Gen = None) -> Target:
        """The target of every row."""
        ...
