"""The pair of Tsitouras."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Space, State, Step
from pushforward.solvers.controller import PI, require_tolerances
from pushforward.solvers.runge_kutta import Tableau, require_smooth, runge_kutta
from pushforward.spaces import Euclidean

__all__ = ["Tsit5"]


@dataclass(frozen=True)
class Tsit5:
    r"""Tsitouras pair 5(4), adaptive for every row on its own; six evaluations a step.

    As `Dopri5`, with smaller error coefficients: usually a little fewer steps for the same accuracy.

    Source: Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption (2011),
        https://doi.org/10.1016/j.camwa.2011.06.002; its coefficients and its quartic.

    Args:
        relative_tolerance: Local error allowed per unit of |x|, >= 0.
        absolute_tolerance: Local error allowed besides, in the unit of x, > 0.
        controller: Chooses step sizes; None takes one step between consecutive times, as the fixed methods do.
        space: Where states live; smooth.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed.
    Raises: `Incompatible` at construction when the space has no geodesics, `InvalidInput` on tolerances out of range.

    Example:
        >>> x = pf.solve(lambda x, t, cond: -x, torch.ones(1, 1), [0.0, 1.0], solver=Tsit5()).x
        >>> bool((x - torch.tensor(-1.0).exp()).abs() < 1e-4)
        True
    """

    tableau: ClassVar[Tableau] = Tableau(
        c=(0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
        a=(
            (),
            (0.161,),
            (-0.008480655492356989, 0.335480655492357),
            (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
            (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
            (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
            (
                0.09646076681806523,
                0.01,
                0.4798896504144996,
                1.379008574103742,
                -3.290069515436081,
                2.324710524099774,
            ),
        ),
        b=(
            0.09646076681806523,
            0.01,
            0.4798896504144996,
            1.379008574103742,
            -3.290069515436081,
            2.324710524099774,
            0.0,
        ),
        order=5,
        error=(
            -0.00178001105222577714,
            -0.0008164344596567469,
            0.007880878010261995,
            -0.1447110071732629,
            0.5823571654525552,
            -0.45808210592918697,
            0.015151515151515152,
        ),
        quartic=(
            -1.0530884977290216,
            0.1017,
            2.490627285651252793,
            -16.54810288924490272,
            47.37952196281928122,
            -34.87065786149660974,
            2.5,
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
