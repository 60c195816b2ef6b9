"""The classical Runge-Kutta method."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Space, State, Step
from pushforward.solvers.runge_kutta import Tableau, require_smooth, runge_kutta
from pushforward.spaces import Euclidean

__all__ = ["RK4"]


@dataclass(frozen=True)
class RK4:
    r"""Classical Runge-Kutta method, order 4, four evaluations a step.

    .. math:: x_t = x_s + \tfrac h6 (k_1 + 2 k_2 + 2 k_3 + k_4), \qquad h = t - s

    with k1 at s, k2 and k3 at the middle, k4 at t. Exact when v is a cubic polynomial of t alone.

    Args:
        space: Where states live; smooth.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed.
    Raises: `Incompatible` at construction when the space has no geodesics.

    Example:
        >>> RK4().step(lambda x, t, cond: -x, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5])).x
        tensor([[0.6068]])
    """

    tableau: ClassVar[Tableau] = Tableau(
        c=(0.0, 0.5, 0.5, 1.0),
        a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
        order=4,
    )
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
