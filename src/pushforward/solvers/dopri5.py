"""The pair of Dormand and Prince."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Space, State, Step
from pushforward.solvers.controller import PI, require_tolerances
from pushforward.solvers.runge_kutta import Tableau, require_smooth, runge_kutta
from pushforward.spaces import Euclidean

__all__ = ["Dopri5"]


@dataclass(frozen=True)
class Dopri5:
    r"""Dormand-Prince pair 5(4), adaptive for every row on its own; six evaluations a step.

    The fifth-order state is kept; the fourth-order one gives the error. States between steps come from the fourth-order
    quartic of Shampine, so that the requested times never shorten a step.

    Source: Dormand & Prince, A family of embedded Runge-Kutta formulae (1980); quartic as in Hairer, Norsett & Wanner,
        Solving Ordinary Differential Equations I, section II.6.

    Args:
        relative_tolerance: Local error allowed per unit of |x|, >= 0.
        absolute_tolerance: Local error allowed besides, in the unit of x, > 0.
        controller: Chooses step sizes; None takes one step between consecutive times, as the fixed methods do.
        space: Where states live; smooth.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed.
    Raises: `Incompatible` at construction when the space has no geodesics, `InvalidInput` on tolerances out of range.

    Example:
        >>> x = pf.solve(lambda x, t, cond: -x, torch.ones(1, 1), [0.0, 1.0], solver=Dopri5()).x
        >>> bool((x - torch.tensor(-1.0).exp()).abs() < 1e-4)
        True
    """

    tableau: ClassVar[Tableau] = Tableau(
        c=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
        a=(
            (),
            (1 / 5,),
            (3 / 40, 9 / 40),
            (44 / 45, -56 / 15, 32 / 9),
            (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
            (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
            (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
        ),
        b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
        order=5,
        error=(71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
        quartic=(
            -12715105075 / 11282082432,
            0.0,
            87487479700 / 32700410799,
            -10690763975 / 1880347072,
            701980252875 / 199316789632,
            -1453857185 / 822651844,
            69997945 / 29380423,
        ),
    )
    relative_tolerance: float = 1e-5
    absolute_tolerance: float = 1e-5
    controller: PI | None = field(default_factory=PI)
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require_smooth(self)
        require_tolerances(self)

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
        """One step from `s` to `t`; `carry` holds the slopes of the step before."""
        estimate = self.controller is not None
        return runge_kutta(self.tableau, dynamics, x, s, t, space=self.space, cond=cond, carry=carry, estimate=estimate)
