"""The one loop: follow dynamics through a grid of times."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, InvalidInput, Solver, State, batch_size, leaves, map_state, require, time_dtype
from pushforward.solvers.adaptive import Adaptive, adapt

__all__ = ["Solution", "march", "solve"]


class Solution(NamedTuple):
    """Where the rows arrived, and how.

    `x` is the state at the last time `[B, *E]`; `times` the grid, `[K + 1]` or `[K + 1, B]`; `xs` the states at all of
    them `[K + 1, B, *E]`, None unless saved; `nfe` the number of evaluations of the dynamics.
    """

    x: State
    times: Tensor
    xs: State | None
    nfe: int


class _Counted:
    """The dynamics with a counter, a look at the kind and shape of every motion, and all attributes of its own."""

    def __init__(self, dynamics: Any) -> None:
        self.dynamics = dynamics
        self.nfe = 0

    def __call__(self, x: State, *rest: Any, **named: Any) -> Any:
        motion = self.dynamics(x, *rest, **named)
        self.nfe += 1
        # records, such as both ends, are between a solver and its dynamics
        if not isinstance(motion, (Tensor if isinstance(x, Tensor) else Mapping, tuple)):
            kind = "a tensor" if isinstance(x, Tensor) else f"a mapping with leaves {sorted(x)}"
            raise InvalidInput(f"the field gave {type(motion).__name__}, expected {kind} like the state; return that")
        if isinstance(x, Tensor):
            # states of integers move by rates, whose shape is their space's business
            if isinstance(motion, Tensor) and motion.shape != x.shape and x.is_floating_point():
                raise _misshapen(motion.shape, x.shape)
        elif isinstance(motion, Mapping) and motion.keys() != x.keys():
            raise InvalidInput(f"the field gave leaves {sorted(motion)} for a state with leaves {sorted(x)}")
        elif isinstance(motion, Mapping):
            for name, leaf in x.items():
                if motion[name].shape != leaf.shape and leaf.is_floating_point():
                    raise _misshapen(motion[name].shape, leaf.shape, f" in leaf {name!r}")
        return motion

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dynamics, name)

    @property
    def law(self) -> Any:
        """The law that the dynamics say, which is an evaluation, too; an AttributeError where there is none."""
        law = self.dynamics.law

        def counted(*given: Any) -> Any:
            self.nfe += 1
            return law(*given)

        return counted


def _misshapen(got: torch.Size, expected: torch.Size, where: str = "") -> InvalidInput:
    same_event = got[1:] == expected[1:]
    hint = (
        "pass data of single rows as cond, it is re-indexed with them" if same_event else "return one motion per state"
    )
    return InvalidInput(f"the field gave shape {list(got)} for a state {list(expected)}{where}; {hint}")


def _grid(times: Tensor | np.ndarray | Sequence[Any], x: State) -> tuple[Tensor, Tensor]:
    """The times as given, checked and like `x`, and spread over the rows `[K + 1, B]` in memory of their own."""
    leaf, rows = leaves(x)[0], batch_size(x)
    grid = torch.as_tensor(times, dtype=time_dtype(leaf))  # checked where it lives: lists never wait for a device
    require(
        grid.ndim in (1, 2) and len(grid) >= 2,
        f"times has shape {list(grid.shape)}, expected [K + 1] or [K + 1, B] with K >= 1; give at least from and to",
    )
    require(
        grid.ndim == 1 or grid.shape[1] == rows,
        f"times has shape {list(grid.shape)} for {rows} rows; give [K + 1, {rows}] or one grid [K + 1] for all rows",
    )
    change = grid.detach().diff(dim=0)
    ordered = (change >= 0).all(0) | (change <= 0).all(0)
    if not bool((ordered & (change.abs() < torch.inf).all(0)).all()):
        finite = bool(grid.isfinite().all())
        raise InvalidInput(
            "times go forwards and backwards; give a grid that only increases or only decreases"
            if finite
            else f"times are not finite (first at index {int((~grid.isfinite()).nonzero()[0, 0])}); give finite times"
        )
    grid = grid.to(leaf.device)
    return grid, grid.contiguous() if grid.ndim == 2 else grid[:, None].repeat(1, rows)


def march(
    dynamics: Any,
    x: State,
    grid: Float[Tensor, "times b"],
    *,
    solver: Solver,
    cond: Cond = None,
    generator: Gen = None,
    save: bool = False,
) -> tuple[State, State | None, int]:
    """`solve` behind its door: nothing is checked, so nothing waits for the device. Gives x, xs, nfe."""
    counted = _Counted(dynamics)
    if isinstance(solver, Adaptive) and solver.controller is not None:
        x, xs = adapt(counted, x, grid, solver, cond, generator=generator, save=save)
        return x, xs, counted.nfe
    carry, states = None, [x]
    for s, t in pairwise(grid.unbind(0)):
        step = solver.step(counted, x, s, t, cond, carry=carry, generator=generator)
        x, carry = step.x, step.carry
        if save:
            states.append(x)
    xs = map_state(lambda *parts: torch.stack(parts), *states) if save else None
    return x, xs, counted.nfe


def solve(
    dynamics: Any,
    x: State,
    times: Tensor | np.ndarray | Sequence[Any],
    *,
    solver: Solver,
    cond: Cond = None,
    generator: Gen = None,
    save: bool = False,
) -> Solution:
    r"""Follow `dynamics` from `times[0]` to `times[-1]`.

    .. math:: \frac{d x_t}{dt} = v(x_t, t \mid c)

    Fixed solvers take exactly one step between consecutive times. Adaptive ones choose their steps, for every row on
    its own, and pass the times between by interpolation. Rows never see each other. The result is differentiable
    (adaptive solvers: not in the times), and a fixed solver runs under `torch.func` transforms, too.

    Args:
        dynamics: What the solver follows; for most a Field, `dynamics(x, t, cond)` shaped like `x`, with t `[B]`.
        x: State `[B, *E]` at `times[0]`.
        times: `[K + 1]`, K >= 1, or one grid per row `[K + 1, B]`; increasing or decreasing.
        solver: A step, such as `RK4()` or `Tsit5()`.
        cond: Condition, one row per row of `x`. Adaptive solvers drop rows that have arrived, so whatever belongs to
            single rows must come this way, not in a closure.
        generator: Randomness of solvers that draw.
        save: Whether to keep the states at all times.

    Raises: `InvalidInput` for times that are not monotone or not finite and for a field of the wrong shape; `RunFailed`
        when an adaptive solver cannot go on.

    Example:
        >>> solution = solve(lambda x, t, cond: -x, torch.ones(1, 1), [0.0, 0.5, 1.0], solver=pf.solvers.RK4())
        >>> solution.x, solution.nfe
        (tensor([[0.3682]]), 8)
    """
    require(
        isinstance(solver, Solver) and not isinstance(solver, type),
        f"solver is {solver!r}, expected a solver such as pf.solvers.RK4() (an instance, with its brackets)",
    )
    given, grid = _grid(times, x)
    arrived, xs, nfe = march(dynamics, x, grid, solver=solver, cond=cond, generator=generator, save=save)
    return Solution(arrived, given, xs, nfe)
