"""Heun's method."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Space, State, Step
from pushforward.solvers.runge_kutta import Tableau, require_smooth, runge_kutta
from pushforward.spaces import Euclidean

__all__ = ["Heun"]


@dataclass(frozen=True)
class Heun:
    r"""Heun's method (the explicit trapezoidal rule), order 2, two evaluations a step.

    .. math:: x_t = x_s + \tfrac h2 \big(v(x_s, s) + v(x_s + h\, v(x_s, s),\ t)\big), \qquad h = t - s

    Args:
        space: Where states live; smooth.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed.
    Raises: `Incompatible` at construction when the space has no geodesics.

    Example:
        >>> Heun().step(lambda x, t, cond: -x, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5])).x
        tensor([[0.6250]])
    """

    tableau: ClassVar[Tableau] = Tableau(c=(0.0, 1.0), a=((), (1.0,)), b=(0.5, 0.5), order=2)
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require_smooth(self)

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
        """One step from `s` to `t`."""
        return runge_kutta(self.tableau, dynamics, x, s, t, space=self.space, cond=cond)
