"""Constant acceleration flow: an initial velocity and an acceleration that is told it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.core import (
    Field,
    Gen,
    Loss,
    Pairs,
    State,
    align,
    drop_condition,
    leaves,
    like,
    map_state,
    require,
    require_part,
)
from pushforward.fields import Accelerated
from pushforward.objectives.flow_maps import Residual
from pushforward.objectives.times import Draw, Independent, TimeLaw, Uniform

__all__ = ["ConstantAccelerationFlow"]

BOTH = ("velocity", "acceleration")


@dataclass(frozen=True)
class ConstantAccelerationFlow:
    r"""Pairs joined by motions of constant acceleration; two networks learn how they start and how they bend.

    .. math:: x_t = x_0 + t\, v_0 + \tfrac12 t^2 a = (1 - t^2)\, x_0 + t^2 x_1 + (t - t^2)\, v_0, \qquad
              a = 2 (x_1 - x_0) - 2 v_0

    .. math:: L_V = \mathrm E\, \lVert V(x_t, t) - v_0 \rVert^2,\ v_0 = h (x_1 - x_0); \qquad
              L_A = \mathrm E\, \lVert A(x_t, t, \hat v) - 2 (x_1 - x_0) + 2 \hat v \rVert^2,\
              \hat v = \mathrm{sg}[V(x_0, 0)]

    For L_V the points stay on the segment, at :math:`h t + (1 - h) t^2` of its length; for L_A they lie on the parabola
    that starts with :math:`\hat v`, so that whatever V gets wrong at the start, the acceleration makes up for. Told
    :math:`\hat v`, A can tell apart trajectories that cross. h = 1 is rectified flow, with an acceleration of what V
    left over; h > 1 starts fast and slows down. No gradient of L_A reaches V.

    For the pairs of a trained flow (`flow.couples`, coupling `Paired`); with independent pairs V learns a mean, as any
    velocity does. Sampling: `pf.solve(flow_map(net), x0, times, solver=ConstantAcceleration())`.

    Source: Park et al., Constant Acceleration Flow (NeurIPS 2024), https://arxiv.org/abs/2411.00322. Differs: the
        squared error, as in the paper's toy, not a perceptual distance; no adversarial stage; both networks may learn
        at once.

    Args:
        initial_speed: h in (0, 2]; 1.5 on images, 2 in the paper's toy.
        times: Law of the training time.
        draw: How the uniform numbers behind a batch of times are drawn.
        residual: How the gaps are counted.
        switch: Share of the training, in (0, 1), at which the velocity is done and the acceleration begins, as in the
            paper; None trains both from the start.
        cond_drop: Probability of replacing a row's condition by the null condition, in [0, 1].

    Shapes: `pairs` of `[B, *E]`; the net is a `nets.MotionNet`. Gives a `Loss` with the terms "velocity" and
        "acceleration", or the one that is due.
    Raises: `InvalidInput` for numbers out of range; when called, `Incompatible` for a net that is not two.

    Example:
        >>> net = pf.nets.MotionNet(pf.nets.MLP((2,)), pf.nets.MLP((4,)))
        >>> objective = ConstantAccelerationFlow()
        >>> loss = objective(net, Pairs((torch.randn(8, 2), torch.randn(8, 2))))
        >>> solver = pf.solvers.ConstantAcceleration()
        >>> x1 = pf.solve(objective.flow_map(net), torch.randn(5, 2), [0.0, 1.0], solver=solver).x
    """

    initial_speed: float = 1.5
    times: TimeLaw = field(default_factory=Uniform)
    draw: Draw = field(default_factory=Independent)
    residual: Residual = field(default_factory=lambda: Residual(0.0))
    switch: float | None = None
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("times", TimeLaw, "a law such as Uniform()"),
            ("draw", Draw, "a draw such as Stratified()"),
            ("residual", Residual, "Residual()"),
        ):
            require_part(f"ConstantAccelerationFlow.{name}", getattr(self, name), kind, example)
        speed = self.initial_speed
        require(0 < speed <= 2, f"initial_speed is {speed}, expected one in (0, 2]: faster rows pass their ends")
        require(
            self.switch is None or 0 < self.switch < 1,
            f"switch is a share of the training, got {self.switch}; choose one in (0, 1), or None",
        )
        require(0 <= self.cond_drop <= 1, f"cond_drop is a probability, got {self.cond_drop}; choose one in [0, 1]")

    def __call__(self, net: nn.Module | Callable[..., Any], batch: Pairs, *, generator: Gen = None) -> Loss:
        """Both losses of `net` on a batch of pairs."""
        return self._loss(net, batch, BOTH, generator=generator)

    def at(self, progress: float) -> Callable[..., Loss]:
        """The loss that is due at a share `progress` of the training."""
        due = BOTH if self.switch is None else BOTH[:1] if progress < self.switch else BOTH[1:]
        return partial(self._loss, due=due)

    def _loss(self, net: Any, batch: Pairs, due: tuple[str, ...], *, generator: Gen = None) -> Loss:
        t = self.times.quantile(self.draw(batch.size, leaves(batch.x1)[0], generator=generator))
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        both, x0 = Accelerated(net), batch.x0
        way, rows = map_state(torch.sub, batch.x1, x0), {}
        if "velocity" in due:
            v0 = map_state(lambda w: self.initial_speed * w, way)
            rows["velocity"] = self.residual(both.start(_bent(x0, way, v0, t), t, cond), v0)
        if "acceleration" in due:
            with torch.no_grad():
                v0 = both.start(x0, torch.zeros_like(t), cond)
            target = map_state(lambda w, v: 2 * w - 2 * v, way, v0)
            rows["acceleration"] = self.residual(both.acceleration(_bent(x0, way, v0, t), t, v0, cond), target)
        return Loss.mean(rows, batch.weight)

    def flow_map(self, net: nn.Module) -> Accelerated:
        """The flow map that `net` has learned."""
        return Accelerated(net)

    def field(self, net: nn.Module) -> Field:
        """The velocity that `net` has learned."""
        return Accelerated(net).velocity


def _bent(x0: State, way: State, v0: State, t: Tensor) -> State:
    """x_t on the parabola from x0 over `way` that starts with v0."""
    square = t * t
    return map_state(lambda p, w, v: like(p + align(square, w) * w + align(t - square, v) * v, p), x0, way, v0)
