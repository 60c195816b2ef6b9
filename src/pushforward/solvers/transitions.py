"""Steps whose direction is drawn."""

from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import (
    Cond,
    Gen,
    Incompatible,
    Solver,
    Space,
    State,
    Step,
    align,
    like,
    map_state,
    require,
    require_part,
    span_of,
)
from pushforward.solvers.euler import Euler
from pushforward.solvers.integrated import Integrated
from pushforward.spaces import Euclidean

__all__ = ["Transitions"]


@dataclass(frozen=True)
class Transitions:
    r"""One draw of the displacement a step, by a flow of its own.

    .. math:: x_t = x_s + (t - s)\, Y, \qquad Y \sim p(x_1 - x_0 \,|\, x_s)

    With the exact law every x_t has the exact marginal, whatever the number of steps: a single one draws from the data.
    With the mean in the place of Y this is Euler's method on the velocity, which many steps of draws come near, too.
    A step is one call of the backbone, which `Solution.nfe` counts, and those of the head that `solver` makes. From
    noise to data only: the law of Y looks ahead.

    Source: Shaul et al., Transition Matching: Scalable and Flexible Generative Modeling (2025),
        https://arxiv.org/abs/2506.23589, the sampling of DTM.

    Args:
        solver: Follows the flow that draws Y.
        steps: Of that flow, >= 1.
        space: Gives its noise.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`.
    Raises: `InvalidInput` for `steps` below one; `Incompatible` for dynamics that are no kernel.

    Example:
        >>> net = pf.nets.TransitionNet(pf.nets.MLP((2,), outputs=8), pf.nets.MLP((2,), features=16))
        >>> kernel = pf.objectives.DifferenceTransitionMatching().kernel(net)
        >>> pf.solve(kernel, torch.randn(5, 2), [0.0, 0.5, 1.0], solver=Transitions()).nfe
        2
    """

    solver: Solver = field(default_factory=Euler)
    steps: int = 16
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require_part("Transitions.solver", self.solver, Solver, "a solver such as Euler()")
        require_part("Transitions.space", self.space, Space, "a space such as Euclidean()")
        require(self.steps >= 1, f"steps={self.steps}, expected at least 1")

    def step(
        self,
        dynamics: Any,
        x: State,
        s: Float[Tensor, " b"],
        t: Float[Tensor, " b"],
        cond: Cond = None,
        *,
        carry: Any = None,
        generator: Gen = None,
    ) -> Step:
        """From `s` to `t`; `dynamics` is a `fields.TransitionKernel`."""
        found = dynamics(x, s, cond)
        require(
            hasattr(found, "features"),
            "Transitions draws from a fields.TransitionKernel; use another solver, such as Euler, for a field",
            Incompatible,
        )
        low, high = span_of(found.field)
        noise = self.space.noise(x, generator=generator)
        y = Integrated(found.field, self.solver, self.steps)(noise, low, high, found.features)
        return Step(map_state(lambda p, d: like(p + align(t - s, d) * d, p), x, y))
