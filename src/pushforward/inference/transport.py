"""Follow a field from source to data, or back."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, InvalidInput, Solver, State, dot, event_size, leaves, map_state, span_of, time_dtype
from pushforward.solvers import solve

__all__ = ["Times", "directed", "round_trip_error", "transport"]

Times: TypeAlias = Tensor | np.ndarray | Sequence[Any] | None


def directed(times: Times, x: State, field: Any, *, reverse: bool) -> Tensor:
    """The grid in the direction of travel, source to data or (`reverse`) data to source; None is 100 equal steps.

    They span the times at which the field is regular, where it says which (`NetField.span`). Data live at the later end
    whichever way the grid was written down, so that no order can be got wrong.
    """
    dtype = time_dtype(leaves(x)[0])
    low, high = span_of(field)
    grid = torch.linspace(low, high, 101, dtype=dtype) if times is None else torch.as_tensor(times, dtype=dtype)
    # with room for the rounding of a float32 grid
    if hasattr(field, "span") and bool(((grid < low - 1e-6) | (grid > high + 1e-6)).any()):
        raise InvalidInput(
            f"times run from {float(grid.min()):g} to {float(grid.max()):g}, but the velocity of this field is regular "
            f"only from {low:g} to {high:g}; stay within (the field's span), or give no times"
        )
    if grid.ndim == 0 or len(grid) < 2:
        return grid  # no direction; `solve` says what is wrong
    backwards = grid[-1] < grid[0]
    return torch.where(backwards if not reverse else ~backwards, grid.flip(0), grid)


def transport(
    field: Any, x: State, *, solver: Solver, times: Times = None, cond: Cond = None, reverse: bool = False
) -> State:
    r"""Where the flow carries `x`: source to data, or with `reverse` data to source (inversion).

    .. math:: x_1 = x_0 + \int_0^1 v(x_t, t)\, dt, \qquad x_0 = x_1 - \int_0^1 v(x_t, t)\, dt

    Args:
        field: Field, `field(x, t, cond)` shaped like `x`.
        x: State `[B, *E]`.
        solver: A step, such as `RK4()`.
        times: Grid between source (its least time) and data (its greatest), in either order; 100 equal steps if None,
            from 0 to 1 or over the field's `span` where it has one.
        cond: Condition of every row.
        reverse: From data to source.

    Returns: `[B, *E]`.
    Raises: `InvalidInput` for times that leave the field's `span`.

    Example:
        >>> latent = transport(lambda x, t, cond: x, torch.ones(1, 1), solver=pf.solvers.RK4(), reverse=True)
        >>> latent
        tensor([[0.3679]])
    """
    return solve(field, x, directed(times, x, field, reverse=reverse), solver=solver, cond=cond).x


def round_trip_error(
    field: Any, x: State, *, solver: Solver, times: Times = None, cond: Cond = None, reverse: bool = True
) -> Float[Tensor, " b"]:
    """Root mean square `[B]` over coordinates of what is lost on the way there and back again.

    The discretisation error of an inversion, without knowing the answer: data to source and back (`reverse`, as for
    editing), or source to data and back. Arguments as for `transport`.

    Example:
        >>> steps = torch.linspace(0, 1, 5)
        >>> round_trip_error(lambda x, t, cond: x, torch.ones(1, 1), solver=pf.solvers.Euler(), times=steps)
        tensor([0.2275])
    """
    there = transport(field, x, solver=solver, times=times, cond=cond, reverse=reverse)
    back = transport(field, there, solver=solver, times=times, cond=cond, reverse=not reverse)
    lost = map_state(torch.sub, back, x)
    return (dot(lost, lost) / event_size(lost)).sqrt()
