"""Rectified flow for one convex cost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, Gen, Incompatible, Loss, Pairs, State, drop_condition, require, require_part
from pushforward.objectives.convex import Convex, Quadratic
from pushforward.objectives.times import Draw, Independent, TimeLaw, Uniform
from pushforward.paths import Affine, CondOT

__all__ = ["CRectifiedFlow"]


@dataclass(frozen=True)
class CRectifiedFlow:
    r"""A velocity that is a gradient, as one convex cost wants it: every round of reflow lowers that cost.

    .. math:: v(x, t) = \nabla c^*\big(\nabla_x f_\theta(x, t)\big), \qquad
              L = \mathrm E\,\Big[ c^*\big(\nabla f(x_t, t)\big) - \langle x_1 - x_0, \nabla f(x_t, t) \rangle
              + c(x_1 - x_0) \Big] \ge 0

    L is the Fenchel-Young gap between x1 - x0 and v; it is 0 only where they agree. Where it is least, the continuity
    equation holds weakly: the marginals stay those of the pairs. A free vector field would be plain rectified flow,
    which stalls above the optimal cost where covariances do not commute, and leaves rotations as they are.

    That the rounds end at the optimal coupling needs more than is always so (full supports, regular fields): there are
    counter-examples, such as supports in pieces (https://arxiv.org/abs/2505.19712).

    Source: Liu, Rectified Flow: A Marginal Preserving Approach to Optimal Transport (2022),
        https://arxiv.org/abs/2209.14577.

    Args:
        cost: c with its conjugate, such as `Quadratic()` or `Power(3.0)`.
        times: Law of the training time.
        draw: How the uniform numbers behind a batch of times are drawn.
        cond_drop: Probability of replacing a row's condition by the null condition.
        path: Straight lines, which alone are made for this.

    Shapes: `pairs` of `[B, *E]`; the network answers with `[B, *E]` or `[B]`, whose sum over a row is f, and must be
        smooth (not ReLU).
    Raises: `Incompatible` at construction for another path, and for parts that are none of their kind.

    Example:
        >>> objective = CRectifiedFlow()
        >>> v = objective.field(lambda x, t, cond: (x**2).sum(1) / 2)
        >>> v(torch.tensor([[1.0, 2.0]]), torch.zeros(1))
        tensor([[1., 2.]])
    """

    cost: Convex = field(default_factory=Quadratic)
    times: TimeLaw = field(default_factory=Uniform)
    draw: Draw = field(default_factory=Independent)
    cond_drop: float = 0.0
    path: Affine = field(default_factory=Affine)

    def __post_init__(self) -> None:
        require_part("CRectifiedFlow.cost", self.cost, Convex, "a convex cost such as Quadratic()")
        require(
            self.path == Affine(CondOT()),
            f"the cost is of straight lines, which {self.path} does not draw; leave path to Affine(CondOT())",
            Incompatible,
        )
        require(0 <= self.cond_drop <= 1, f"cond_drop is a probability, got {self.cond_drop}; choose one in [0, 1]")

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The gap of Fenchel and Young on a batch of pairs."""
        x0, x1 = _tensors(batch)
        t = self.times.quantile(self.draw(batch.size, x1, generator=generator))
        point = self.path.sample(batch, t, generator=generator)
        cond = drop_condition(batch.cond, self.cond_drop, generator=generator)
        slope, moved = _gradient(net, cast(Tensor, point.x), t, cond), x1 - x0
        inner = (moved * slope).flatten(1).sum(1)
        return Loss.mean({"fit": self.cost.conjugate(slope) - inner + self.cost.value(moved)}, batch.weight)

    def field(self, net: nn.Module | Callable[..., Tensor]) -> "_Slope":
        """The velocity that `net` has learned."""
        return _Slope(net, self.cost)


@dataclass(frozen=True)
class _Slope:
    """grad c*(grad f)."""

    net: Any
    cost: Convex

    def __call__(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> Tensor:
        assert isinstance(x, Tensor)
        return self.cost.slope(_gradient(self.net, x, t, cond))


def _gradient(net: Any, x: Tensor, t: Tensor, cond: Cond) -> Tensor:
    """Of the sum of what the net says, in x; differentiable again."""
    return torch.func.grad(lambda x: net(x, t, cond).sum())(x)


def _tensors(batch: Pairs) -> tuple[Tensor, Tensor]:
    x0, x1 = batch.anchors
    require(isinstance(x0, Tensor) and isinstance(x1, Tensor), "CRectifiedFlow takes tensors, got a mapping")
    return cast(Tensor, x0), cast(Tensor, x1)
