"""The explicit multistep methods of Adams and Bashforth."""

from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Solver, Space, State, Step, require
from pushforward.solvers.heun import Heun
from pushforward.solvers.multistep import Value, mix, weights
from pushforward.solvers.rk4 import RK4
from pushforward.solvers.runge_kutta import Tableau, require_flat, runge_kutta, tableau_of
from pushforward.spaces import Euclidean

__all__ = ["AdamsBashforth", "quadrature", "starting"]

# points and masses on [0, 1]: exact for lines, and for cubics
MIDPOINT = (0.5,), (1.0,)
GAUSS = (0.5 - 12**-0.5, 0.5 + 12**-0.5), (0.5, 0.5)


def starting(solver: Any) -> Tableau:
    """The one-step method that starts `solver`, checked: its local error must not lower the order."""
    name, order = type(solver).__name__, solver.order
    require(order in (2, 3, 4), f"{name} has the orders 2, 3 and 4, got order={order!r}")
    starter = (Heun() if order == 2 else RK4()) if solver.starter is None else solver.starter
    return tableau_of(solver, starter, order=order - 1)


def quadrature(s: Tensor, h: Tensor, values: tuple[Value, ...]) -> list[Tensor]:
    """Weights `[B]` of `values`, in order of time, for the mean over [s, s + h] of the polynomial through them."""
    step = h.where(h != 0, 1.0)  # a row that stands still has h = 0 in front of the sum
    nodes = [(value.place - s) / step for value in values]
    return weights(nodes, *(MIDPOINT if len(nodes) <= 2 else GAUSS))


@dataclass(frozen=True)
class AdamsBashforth:
    r"""Adams-Bashforth, order 2 to 4: one evaluation a step once it has started.

    .. math:: x_t = x_s + \int_s^t P(\tau)\, d\tau, \qquad P(s_j) = v(x_{s_j}, s_j), \quad j = n, \ldots, n - p + 1

    P is the polynomial of degree p - 1 through the last p slopes, at whatever times they were taken: steps may have any
    lengths, row by row. On equal steps order 2 is the familiar :math:`x_t = x_s + h(\tfrac32 v_n - \tfrac12 v_{n-1})`.
    Exact when v is a polynomial of t alone, of degree p - 1. The first p - 1 steps are those of a one-step method; a
    row that stands still then has fewer slopes, and goes on with the order that they allow.

    Source: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section III.1, and III.5 for variable
        steps.

    Args:
        order: p, 2 to 4.
        starter: Explicit Runge-Kutta method of order p - 1 at least; None for Heun (p = 2) or RK4.
        space: Where states live; flat.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed. `carry` holds the last p - 1 slopes.
    Raises: `InvalidInput` at construction for another order, or a starter of too low an order; `Incompatible` when the
        space is not flat.

    Example:
        >>> solution = pf.solve(lambda x, t, cond: -x, torch.ones(1, 1), torch.linspace(0, 1, 11),
        ...                     solver=AdamsBashforth(order=2))
        >>> solution.x, solution.nfe
        (tensor([[0.3694]]), 11)
    """

    order: int = 2
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
        past: tuple[Value, ...] = carry or ()
        here = Value(s, dynamics(x, s, cond))
        values, h = (here, *past), t - s
        if len(values) < self.order:
            start = starting(self)
            y = runge_kutta(start, dynamics, x, s, t, space=self.space, cond=cond, carry=(here.value,)).x
        else:
            terms = zip(quadrature(s, h, values), (v.value for v in values), strict=True)
            y = self.space.move(x, mix(*terms), h)
        return Step(y, carry=values[: self.order - 1])
