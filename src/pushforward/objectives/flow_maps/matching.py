"""The one loss behind mean velocities, flow maps, shortcuts and consistency."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from pushforward.core import (
    Field,
    Gen,
    Incompatible,
    Loss,
    Pairs,
    Path,
    at,
    cat_states,
    drop_condition,
    leaves,
    map_state,
    require,
    require_part,
)
from pushforward.fields import NetMap
from pushforward.objectives.flow_maps.estimates import Conditional, VelocityEstimate
from pushforward.objectives.flow_maps.interval import Intervals
from pushforward.objectives.flow_maps.local import Local, Rule, Target
from pushforward.objectives.flow_maps.residual import Residual
from pushforward.objectives.flow_maps.sorted_pair import SortedPair
from pushforward.objectives.flow_maps.tangent import Tangent
from pushforward.paths import Affine

__all__ = ["FlowMapMatching"]


@dataclass(frozen=True)
class FlowMapMatching:
    r"""Regression of a network of two times onto what one of five rules says of the mean velocity.

    .. math:: L(\theta) = \mathrm E\; w\, \big\lVert F_\theta(x_s, s, t) - \mathrm{sg}[T] \big\rVert^2, \qquad
              X_{s,t}(x) = x + (t - s)\, F_\theta(x, s, t)

    A method is a choice of five parts: the law of (s, t), the estimate of the velocity at x_s, the rule that makes T of
    it, the residual, and the path on which x_s lies. Rows with s = t learn the velocity itself, whatever the rule.

    Source: the common form is derived from the papers of the methods that are its choices: `MeanFlow`, `SplitMeanFlow`,
        `AlphaFlow`, `Shortcut`, `ModularMeanFlow`, `ConsistencyTraining`, `ConsistencyFM`, `AlignYourFlow`.

    Args:
        path: On which x_s lies.
        intervals: Law of s <= t.
        velocity: What stands for v(x_s, s): the data's own motion, a teacher, a guided mixture.
        rule: `Tangent`, `Compose`, `Lagrange` or `Chord`.
        residual: How the gap is counted.
        cond_drop: Probability of replacing a row's condition by the null condition, in [0, 1].

    Shapes: `pairs` of `[B, *E]`; the network is called as `net(x, times, cond)` with `times` `[B, 2]`.
    Raises: `Incompatible` at construction when a part is none of its kind; `InvalidInput` for `cond_drop`.

    Example:
        >>> matching = FlowMapMatching()
        >>> matching(lambda x, times, cond: x, Pairs((torch.zeros(4, 2), torch.zeros(4, 2)))).value
        tensor(0.)
    """

    path: Path = field(default_factory=Affine)
    intervals: Intervals = field(default_factory=SortedPair)
    velocity: VelocityEstimate = field(default_factory=Conditional)
    rule: Rule = field(default_factory=Tangent)
    residual: Residual = field(default_factory=Residual)
    cond_drop: float = 0.0

    network_times = 2  # the network is told from when to when

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("path", Path, "a path such as Affine(CondOT())"),
            ("intervals", Intervals, "a law of two times such as SortedPair()"),
            ("velocity", VelocityEstimate, "Conditional(), Guided() or Teacher(field)"),
            ("rule", Rule, "a rule such as Tangent()"),
            ("residual", Residual, "Residual()"),
        ):
            require_part(f"{type(self).__name__}.{name}", getattr(self, name), kind, example)
        space = self.path.space
        require(
            getattr(space, "convex", False),
            f"{type(self).__name__} adds motions along a trajectory, which only flat space allows, and "
            f"{type(space).__name__} is curved; use FlowMatching there",
            Incompatible,
        )
        require(0 <= self.cond_drop <= 1, f"cond_drop is a probability, got {self.cond_drop}; choose one in [0, 1]")

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs."""
        interval = self.intervals(batch.size, leaves(batch.x1)[0], generator=generator)
        point = self.path.sample(batch, interval.s, generator=generator)
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        mapped = NetMap(net)
        whole = Local.of(mapped, point, interval.t, cond, self.velocity(self.path, point, cond, mapped))
        target = self._target(whole, interval.still, generator)
        said = whole.mean(point.x, interval.s, interval.t) if target.said is None else target.said
        fit = self.residual(said, target.value, target.scale)
        return Loss.mean({"fit": fit if target.weight is None else target.weight * fit}, batch.weight)

    def _target(self, local: Local, still: int, generator: Gen) -> Target:
        """The velocity where s = t, and what the rule says in the other rows: it costs nothing where it is idle."""
        v, rows = local.v, len(local.s)
        if still == rows:
            return Target(v)
        target = self.rule(local.after(still), generator=generator)
        if not still:
            return target
        value = cat_states(map_state(lambda p: p[:still], v), target.value)
        one = torch.ones_like(local.s[:still])
        scale, weight = (None if p is None else torch.cat([one, p]) for p in (target.scale, target.weight))
        if target.said is None:
            return Target(value, scale, weight)
        first = local.before(still)
        return Target(value, scale, weight, cat_states(first.mean(first.x, first.s, first.t), target.said))

    def at(self, progress: float) -> "FlowMapMatching":
        """The objective at a share `progress` in [0, 1] of the training, where its rule changes on the way."""
        rule = at(self.rule, progress)
        return self if rule is self.rule else replace(self, rule=rule)

    def flow_map(self, net: nn.Module) -> NetMap:
        """The flow map that `net` has learned, asked for the ends that its intervals have."""
        return NetMap(net, getattr(self.intervals, "segments", None))

    def field(self, net: nn.Module) -> Field:
        """The velocity that `net` has learned: F(x, t, t), or towards the end of the segment."""
        return self.flow_map(net).velocity
