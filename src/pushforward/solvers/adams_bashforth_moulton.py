"""Adams methods that predict and correct."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Solver, Space, State, Step
from pushforward.solvers.adams_bashforth import quadrature, starting
from pushforward.solvers.multistep import Value, mix
from pushforward.solvers.runge_kutta import require_flat, runge_kutta
from pushforward.spaces import Euclidean

__all__ = ["AdamsBashforthMoulton"]


class _Carry(NamedTuple):
    """The slopes before this one, and the slope here if it was taken already."""

    past: tuple[Value, ...]
    here: State | None = None


@dataclass(frozen=True)
class AdamsBashforthMoulton:
    r"""Adams-Bashforth predicts, Adams-Moulton corrects; order 2 to 4, two evaluations a step (PECE) or one (PEC).

    .. math:: \hat x_t = x_s + \int_s^t P(\tau)\, d\tau, \qquad
              x_t = x_s + \int_s^t \hat P(\tau)\, d\tau, \qquad \hat P(t) = v(\hat x_t, t)

    P goes through the last p slopes, as in `AdamsBashforth`; :math:`\hat P` through the predicted one and the last
    p - 1. So the error has the small constant of the implicit method (order 2: 1/12 beside 5/12). PECE takes the slope
    at the corrected state for the steps to come; PEC goes on with the predicted slope, which costs nothing more. Steps
    may have any lengths, row by row.

    Source: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section III.1.

    Args:
        order: p, 2 to 4.
        evaluate_again: PECE if true, PEC if not.
        starter: Explicit Runge-Kutta method of order p - 1 at least; None for Heun (p = 2) or RK4.
        space: Where states live; flat.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed. `carry` holds the last p slopes at most.
    Raises: `InvalidInput` at construction for another order, or a starter of too low an order; `Incompatible` when the
        space is not flat.

    Example:
        >>> solution = pf.solve(lambda x, t, cond: -x, torch.ones(1, 1), torch.linspace(0, 1, 11),
        ...                     solver=AdamsBashforthMoulton(order=2, evaluate_again=False))
        >>> solution.x, solution.nfe
        (tensor([[0.3675]]), 12)
    """

    order: int = 2
    evaluate_again: bool = True
    starter: Solver | None = None
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require_flat(self)
        starting(self)

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
        past, slope = _Carry(()) if carry is None else carry
        here = Value(s, dynamics(x, s, cond) if slope is None else slope)
        values, h = (here, *past), t - s
        kept = values[: self.order - 1]
        if len(values) < self.order:
            start = starting(self)
            y = runge_kutta(start, dynamics, x, s, t, space=self.space, cond=cond, carry=(here.value,)).x
            return Step(y, carry=_Carry(kept))
        ahead = Value(t, dynamics(self._move(x, s, h, values), t, cond))
        y = self._move(x, s, h, (ahead, here, *past[: self.order - 2]))
        return Step(y, carry=_Carry(kept, None if self.evaluate_again else ahead.value))

    def _move(self, x: State, s: Tensor, h: Tensor, values: tuple[Value, ...]) -> State:
        terms = zip(quadrature(s, h, values), (v.value for v in values), strict=True)
        return self.space.move(x, mix(*terms), h)
