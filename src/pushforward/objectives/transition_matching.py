"""Difference transition matching: the law of the displacement, not its mean."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from pushforward.core import (
    AffinePath,
    Field,
    Gen,
    Incompatible,
    Loss,
    Pairs,
    align,
    drop_condition,
    leaves,
    like,
    map_state,
    require,
    require_part,
)
from pushforward.fields import TransitionKernel
from pushforward.objectives.flow_matching import FlowMatching
from pushforward.objectives.times import Draw, Grid, Independent, TimeLaw

__all__ = ["DifferenceTransitionMatching"]


@dataclass(frozen=True)
class DifferenceTransitionMatching:
    r"""Flow matching of displacements: a small flow per step draws x1 - x0 given where the row is.

    .. math:: x_t = (1 - t)\, x_0 + t\, x_1, \quad Y = x_1 - x_0, \quad Y_s = (1 - s)\, n + s\, Y, \qquad
              L = \mathrm E\, \big\lVert g\big(Y_s, s, f(x_t, t, c)\big) - (Y - n) \big\rVert^2

    The large network f is asked once a step, the head g often. Flow matching learns :math:`\mathrm E[Y | x_t]` and must
    take many steps; draws of Y have the right marginals with any number, one included, as far as the head can say their
    law. Sampling: `pf.solve(kernel(net), x0, times, solver=Transitions())`, at the times of training.

    Source: Shaul et al., Transition Matching: Scalable and Flexible Generative Modeling (2025),
        https://arxiv.org/abs/2506.23589, its DTM; ARTM and FHTM, which draw tokens one after the other, are not here.
        Differs: the head draws whole states; one that treats tokens apart is a choice of `net.head`, right as the
        number of steps grows.

    Args:
        times: Law of t; the T times of the paper, 32 by default. A law on [0, 1] leaves the number open.
        draw: How the uniform numbers behind a batch of times are drawn.
        inner: What the head learns, with the pairs (n, Y) under the backbone's features; its times are those of s.
        cond_drop: Probability of replacing a row's condition by the null condition, in [0, 1].

    Shapes: `pairs` of `[B, *E]`; the net is a `nets.TransitionNet`. Gives the `Loss` of `inner`.
    Raises: `Incompatible` at construction for an inner path that is not affine or has latent noise; `InvalidInput` for
        an inner `cond_drop`, which would drop features.

    Example:
        >>> net = pf.nets.TransitionNet(pf.nets.MLP((2,), outputs=8), pf.nets.MLP((2,), features=16))
        >>> objective = DifferenceTransitionMatching(pf.objectives.Grid(4))
        >>> loss = objective(net, Pairs((torch.randn(8, 2), torch.randn(8, 2))))
        >>> solver = pf.solvers.Transitions(pf.solvers.Heun(), steps=8)
        >>> x1 = pf.solve(objective.kernel(net), torch.randn(5, 2), torch.linspace(0, 1, 5), solver=solver).x
    """

    times: TimeLaw = field(default_factory=lambda: Grid(32))
    draw: Draw = field(default_factory=Independent)
    inner: FlowMatching = field(default_factory=FlowMatching)
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("times", TimeLaw, "a law such as Grid(32)"),
            ("draw", Draw, "a draw such as Stratified()"),
            ("inner", FlowMatching, "FlowMatching()"),
        ):
            require_part(f"DifferenceTransitionMatching.{name}", getattr(self, name), kind, example)
        path = self.inner.path
        require(
            isinstance(path, AffinePath) and getattr(path, "latent", None) is None,
            f"displacements are drawn on an affine path without latent noise, got {path}; use Affine()",
            Incompatible,
        )
        require(
            self.inner.cond_drop == 0,
            f"inner.cond_drop is {self.inner.cond_drop}, which would drop the backbone's features; set the outer one",
        )
        require(0 <= self.cond_drop <= 1, f"cond_drop is a probability, got {self.cond_drop}; choose one in [0, 1]")

    def __call__(self, net: nn.Module | Callable[..., Any], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs."""
        kernel = self.kernel(net)
        t = self.times.quantile(self.draw(batch.size, leaves(batch.x1)[0], generator=generator))
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        y = map_state(torch.sub, batch.x1, batch.x0)
        x = map_state(lambda p, d: like(p + align(t, d) * d, p), batch.x0, y)
        noise = self.inner.path.space.noise(y, generator=generator)
        pairs = Pairs((noise, y), cond=kernel(x, t, cond).features, weight=batch.weight)
        return self.inner(kernel.net.head, pairs, generator=generator)

    def kernel(self, net: nn.Module | Callable[..., Tensor]) -> TransitionKernel:
        """The law of displacements that `net` has learned."""
        return TransitionKernel(net, self.inner.head, cast(AffinePath, self.inner.path))

    def field(self, net: nn.Module) -> Field:
        """Its mean, the velocity."""
        return self.kernel(net).velocity
