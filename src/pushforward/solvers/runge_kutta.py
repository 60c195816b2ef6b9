"""Explicit Runge-Kutta methods: their tableau, one step, and the quartic between two steps."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import (
    Cond,
    Incompatible,
    InvalidInput,
    Smooth,
    Space,
    State,
    Step,
    align,
    like,
    map_state,
    require,
)
from pushforward.spaces import Euclidean, pull_back

__all__ = ["Tableau", "interpolate", "require_flat", "require_smooth", "runge_kutta", "tableau_of"]


@dataclass(frozen=True)
class Tableau:
    r"""Butcher tableau of an explicit Runge-Kutta method with S stages, checked where it is made.

    .. math:: k_i = v\Big(x + h \sum_{j<i} a_{ij} k_j,\ s + c_i h\Big), \qquad x_{new} = x + h \sum_i b_i k_i

    Args:
        c: Stage times `[S]` as fractions of the step; row i of `a` sums to `c[i]`.
        a: Stage weights; row i has i entries.
        b: Weights `[S]`, sum 1.
        order: Order of the method.
        error: `b` minus the weights of the embedded method `[S]`, sum 0; None when there is none.
        quartic: Weights `[S]`, sum 0, of the theta^2 (1 - theta)^2 term of the dense output; see `interpolate`.

    Raises: `InvalidInput` when a row has the wrong length or sum.

    Example:
        >>> Tableau(c=(0.0, 1.0), a=((), (1.0,)), b=(0.5, 0.5), order=2).first_same_as_last
        False
    """

    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    order: int
    error: tuple[float, ...] | None = None
    quartic: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        stages = len(self.c)
        rows = {f"a[{i}]": (row, i, self.c[i]) for i, row in enumerate(self.a[:stages])}
        rows |= {"b": (self.b, stages, 1.0)}
        rows |= {name: (row, stages, 0.0) for name in ("error", "quartic") if (row := getattr(self, name)) is not None}
        require(len(self.a) == stages, f"tableau has {len(self.a)} rows in a for {stages} stages in c")
        for name, (row, length, total) in rows.items():
            require(len(row) == length, f"tableau row {name} has {len(row)} entries, expected {length}")
            # published coefficients carry about 15 digits, and those of Tsitouras' interpolant reach 47
            require(math.isclose(sum(row), total, abs_tol=1e-12), f"tableau row {name} sums to {sum(row)}, not {total}")

    @functools.cached_property
    def first_same_as_last(self) -> bool:
        """Whether the last stage sits at the new state, so that its slope opens the next step (FSAL)."""
        return len(self.b) > 1 and self.b == (*self.a[-1], 0.0)


def require_smooth(solver: Any) -> None:
    """Raise `Incompatible` unless `solver.space` can bring back motions found at other points."""
    name, space = type(solver).__name__, solver.space
    require(
        isinstance(space, Smooth),
        f"{name} adds motions taken at different points, brought back along geodesics, which {type(space).__name__} "
        f"does not have; use Euler({type(space).__name__}(...))",
        Incompatible,
    )


def require_flat(solver: Any) -> None:
    """Raise `Incompatible` unless `solver.space` adds motions of steps before, as multistep methods do."""
    name, space = type(solver).__name__, solver.space
    require(
        isinstance(space, Euclidean),
        f"{name} adds motions of earlier steps, which only Euclidean() allows, got {type(space).__name__}; "
        f"use RK4({type(space).__name__}(...)), or Euler where there are no geodesics",
        Incompatible,
    )


def tableau_of(solver: Any, starter: Any, *, order: int) -> Tableau:
    """The tableau of the one-step method that starts `solver`, which must have at least `order`."""
    name, kind = type(solver).__name__, type(starter).__name__
    tableau = getattr(starter, "tableau", None)
    if not isinstance(tableau, Tableau):
        raise InvalidInput(f"{name}.starter is {kind}, expected a one-step method with a tableau, such as RK4()")
    require(
        tableau.order >= order,
        f"{name} of order {solver.order} needs a starter of order {order} at least, got {kind} of order "
        f"{tableau.order}; use RK4()",
    )
    return tableau


@functools.cache
def _split(weights: tuple[float, ...]) -> tuple[float, int, tuple[tuple[int, float], ...]]:
    """Write sum_j w_j k_j as w_f (k_f + sum_j r_j k_j) over the non-zero weights: (w_f, f, ((j, r_j), ...))."""
    (first, lead), *rest = [(j, w) for j, w in enumerate(weights) if w]
    return lead, first, tuple((j, w / lead) for j, w in rest)


def _sum(weights: tuple[float, ...], slopes: Sequence[State]) -> tuple[State, float]:
    """`(u, w)` with `w u = sum_j weights_j slopes_j`: one pass over memory per slope, and `w` is left to the step."""
    lead, first, rest = _split(weights)
    u = slopes[first]
    for j, ratio in rest:
        u = map_state(functools.partial(torch.add, alpha=ratio), u, slopes[j])
    return u, lead


def _along(weights: tuple[float, ...], slopes: Sequence[State], h: Tensor) -> State:
    """`h sum_j weights_j slopes_j`."""
    u, weight = _sum(weights, slopes)
    return map_state(lambda p: align(weight * h, p) * p, u)


def runge_kutta(
    tableau: Tableau,
    dynamics: Any,
    x: State,
    s: Float[Tensor, " b"],
    t: Float[Tensor, " b"],
    *,
    space: Space,
    cond: Cond = None,
    carry: tuple[State, ...] | None = None,
    estimate: bool = False,
) -> Step:
    r"""One step of the method `tableau` from `x` at `s` to `t`; s > t is allowed, row by row.

    On other smooth spaces the method runs in normal coordinates at x, in which the equation is one in a flat space:

    .. math:: x_i = \exp_x u_i, \quad u_i = h \sum_{j<i} a_{ij} k_j, \qquad
              k_i = (d\exp_x)_{u_i}^{-1}\, v(x_i,\ s + c_i h)

    so that states stay on the space and the order is kept at any tableau, for steps within the injectivity radius.

    Args:
        tableau: The method.
        dynamics: Field, `dynamics(x, t, cond)` shaped like `x`.
        x: State `[B, *E]`.
        s: From, `[B]`.
        t: To, `[B]`.
        space: Where states live.
        cond: Condition of every row.
        carry: Of the step before; the last of it is the motion at `x`, `s`. None evaluates it.
        estimate: Whether to fill `Step.error`.

    Returns: `Step` whose `carry` holds the slopes at `x` and the motion at the new state, where it opens the next step.
    """
    h = t - s
    first = dynamics(x, s, cond) if carry is None else carry[-1]
    slopes: list[State] = [first]
    flat = isinstance(space, Euclidean)
    there: State = first

    def ahead(weights: tuple[float, ...]) -> State:
        u, weight = _sum(weights, slopes)
        return space.move(x, u, h if weight == 1.0 else weight * h)

    y = x
    for c, weights in zip(tableau.c[1:], tableau.a[1:], strict=True):
        y = ahead(weights)
        there = dynamics(y, t if c == 1.0 else torch.add(s, h, alpha=c), cond)
        slopes.append(there if flat else pull_back(cast(Smooth, space), x, _along(weights, slopes, h), there))
    if not tableau.first_same_as_last:
        return Step(ahead(tableau.b))
    error = None
    if estimate and tableau.error is not None:
        with torch.no_grad():  # step sizes are chosen, not differentiated
            error = _along(tableau.error, slopes, h)
    return Step(y, error=error, carry=(*slopes, there))


def interpolate(
    tableau: Tableau,
    x: State,
    step: Step,
    *,
    h: Float[Tensor, " b"],
    rows: Int[Tensor, " m"],
    theta: Float[Tensor, " m"],
    space: Space,
) -> State:
    r"""Dense output: the state a fraction `theta` into `step` from `x` to y = `step.x`, for chosen rows.

    .. math:: x(\theta) = x + \theta\Delta + \theta(1-\theta)\big[(1-\theta)(h k_1 - \Delta) - \theta(h k_S - \Delta)
              + \theta(1-\theta)\, h \textstyle\sum_i d_i k_i\big], \qquad \Delta = y - x

    The cubic Hermite polynomial through both ends and slopes, and the one quartic that leaves them alone, weighted by
    d = `tableau.quartic`: every quartic dense output that is once differentiable across steps has this form. On curved
    spaces it is the polynomial in normal coordinates at x.

    Args:
        tableau: The method that made the step; its `quartic` must be set.
        x: State before, `[B, *E]`.
        step: What `runge_kutta` gave; its `carry` holds the S slopes.
        h: Signed lengths of the step, `[B]`.
        rows: Rows asked for, `[M]`, repeats allowed.
        theta: Fraction for each of them, `[M]`, in `[0, 1]`; 1 gives y to the bit.
        space: Where states live.

    Returns: `[M, *E]`.
    """
    assert tableau.quartic is not None
    slopes = step.carry[: len(tableau.c)]
    u, weight = _sum(tableau.quartic, slopes)
    part = h[rows]

    def leaf(x: Tensor, y: Tensor, first: Tensor, last: Tensor, u: Tensor) -> Tensor:
        x, y, first, last, u = (p[rows] for p in (x, y, first, last, u))
        r, step, change = align(theta, x), align(part, x), y - x
        bend = (1 - r) * (step * first - change) - r * (step * last - change)
        between = torch.lerp(x.to(r.dtype), y.to(r.dtype), r) + r * (1 - r) * (bend + r * (1 - r) * (weight * step) * u)
        return like(between, x, y)

    if isinstance(space, Euclidean):
        return map_state(leaf, x, step.x, slopes[0], slopes[-1], u)
    end, origin = _along(tableau.b, slopes, h), map_state(torch.zeros_like, x)
    way = map_state(leaf, origin, end, slopes[0], slopes[-1], u)
    between = space.move(map_state(lambda p: p[rows], x), way, torch.ones_like(part))
    return map_state(lambda p, y: torch.where(align(theta, p) == 1, y[rows], p), between, step.x)
