"""The loop with step sizes of its own for every row."""

from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, RunFailed, Solver, Space, State, align, dot, event_size, leaves, map_state, take
from pushforward.solvers.controller import PI
from pushforward.solvers.runge_kutta import Tableau, interpolate

__all__ = ["Adaptive", "adapt"]

_FRESH = 1e-4  # least error that the controller remembers, and its memory at the start: those of DOPRI5


@runtime_checkable
class Adaptive(Solver, Protocol):
    """A solver whose step estimates its error: an embedded Runge-Kutta pair with dense output and a controller."""

    @property
    def tableau(self) -> Tableau:
        """The pair; the last stage is the first of the next step, `error` and `quartic` are set."""
        ...

    @property
    def space(self) -> Space:
        """Where states live."""
        ...

    @property
    def controller(self) -> PI | None:
        """Chooses step sizes; None takes the steps that are asked for."""
        ...

    @property
    def relative_tolerance(self) -> float:
        """Local error allowed per unit of |x|."""
        ...

    @property
    def absolute_tolerance(self) -> float:
        """Local error allowed besides."""
        ...


class _Rows(NamedTuple):
    """Everything that belongs to the rows under way, `n` of `B`; every field has the row first."""

    place: Tensor  # [n], row of the batch
    x: State
    slope: State  # at x, now
    cond: Cond
    now: Tensor  # [n]
    end: Tensor
    sign: Tensor  # +1 forwards, -1 backwards
    floor: Tensor  # steps below this are rounding
    size: Tensor  # next step, > 0
    error: Tensor  # of the last accepted step
    rejected: Tensor  # whether the last step was
    times: Tensor | None  # [n, K + 1] when states are saved

    def take(self, index: Tensor) -> "_Rows":
        return _Rows(*(take(field, index) for field in self))  # pyright: ignore[reportArgumentType]


def _rms(x: State, scale: State) -> Tensor:
    """Root mean square `[n]` of x / scale over a row's own coordinates."""
    ratio = map_state(torch.div, x, scale)
    return (dot(ratio, ratio) / event_size(ratio)).sqrt()


def _scale(solver: Adaptive, x: State, y: State) -> State:
    """Tolerance of every coordinate on a step from x to y."""
    relative, absolute = solver.relative_tolerance, solver.absolute_tolerance
    return map_state(lambda p, q: absolute + relative * torch.maximum(p.abs(), q.abs()), x, y)


@torch.no_grad()
def _first_size(dynamics: Any, solver: Adaptive, rows: _Rows) -> Tensor:
    """First step `[n]` from the sizes of x, v and the change of v; one evaluation.

    Source: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.4.
    """
    x, slope, span = rows.x, rows.slope, (rows.end - rows.now).abs()
    scale = _scale(solver, x, x)
    size, speed = _rms(x, scale), _rms(slope, scale)
    trial = torch.where((size < 1e-5) | (speed < 1e-5), 1e-6, 0.01 * size / speed)
    trial = torch.minimum(torch.where(trial > rows.floor, trial, rows.floor), span)  # the floor where v is not a number
    ahead = solver.space.move(x, slope, rows.sign * trial)
    bend = map_state(torch.sub, dynamics(ahead, rows.now + rows.sign * trial, rows.cond), slope)
    fastest = torch.maximum(speed, _rms(bend, scale) / trial)
    smooth = torch.where(
        fastest <= 1e-15, (1e-3 * trial).clamp(min=1e-6), (0.01 / fastest) ** (1 / solver.tableau.order)
    )
    return torch.minimum(100 * trial, smooth.nan_to_num(nan=0.0)).clamp(rows.floor, span)


class _Trajectory:
    """States at the requested times, gathered in the order in which rows pass them."""

    def __init__(self, grid: Tensor) -> None:
        self.shape = grid.shape
        self.places: list[Tensor] = []
        self.states: list[State] = []

    def add(self, times: Tensor, rows: Tensor, x: State) -> None:
        """Put down `x` `[M, *E]` for places `(times, rows)` of the grid, `[M]` each."""
        self.places.append(times * self.shape[1] + rows)
        self.states.append(x)

    def stack(self) -> State:
        """`[K + 1, B, *E]`; every place was put down once."""
        order = torch.cat(self.places).argsort()
        whole = map_state(lambda *parts: torch.cat(parts), *self.states)
        return map_state(lambda p: p[order].reshape(*self.shape, *p.shape[1:]), whole)


def adapt(
    dynamics: Any,
    x: State,
    grid: Float[Tensor, "times b"],
    solver: Adaptive,
    cond: Cond = None,
    *,
    generator: Gen = None,
    save: bool = False,
) -> tuple[State, State | None]:
    """Follow every row with its own steps from `grid[0]` to `grid[-1]`: the state there, and at all times if `save`.

    Rows share evaluations and nothing else. A row that has arrived leaves the batch, so `dynamics` is called with fewer
    and fewer rows, and whatever belongs to single rows must come to it through `cond`. Gradients flow through the
    states; times and step sizes are constants to them. With gradients a step that some row rejects is evaluated twice.

    Raises: `RunFailed` when a row cannot go on (its step has shrunk to rounding) or takes too many steps.
    """
    assert solver.controller is not None
    control, order, grid = solver.controller, solver.tableau.order, grid.detach()
    now, end = grid[0], grid[-1]
    rows = _Rows(
        place=torch.arange(grid.shape[1], device=grid.device),
        x=x,
        slope=dynamics(x, now, cond),
        cond=cond,
        now=now,
        end=end,
        sign=torch.sign(end - now),
        floor=8 * torch.finfo(grid.dtype).eps * torch.maximum(now.abs(), end.abs()),
        size=now,
        error=torch.full_like(now, _FRESH),
        rejected=torch.zeros_like(now, dtype=torch.bool),
        times=grid.T if save else None,
    )
    rows = rows._replace(size=_first_size(dynamics, solver, rows))
    trajectory = _Trajectory(grid)
    if save:
        times, places = (grid == now).nonzero(as_tuple=True)
        trajectory.add(times, places, take(x, places))

    for _ in range(control.max_steps + 1):
        # who is still under way? the one place where the host waits for the device, unless states are saved
        alive = ((rows.now != rows.end) & (rows.size > 0)).nonzero()[:, 0]
        if len(alive) < len(rows.place):
            _refuse_stuck(solver, rows)
            x = map_state(lambda p, q: p.index_copy(0, rows.place, q), x, rows.x)  # noqa: B023
            rows = rows.take(alive)
        if not len(alive):
            return x, trajectory.stack() if save else None

        left = (rows.end - rows.now).abs()
        last = 1.01 * rows.size >= left  # stretched a little rather than followed by a sliver
        size = torch.where(last, left, rows.size)
        until = torch.where(last, rows.end, rows.now + rows.sign * size)
        step = solver.step(dynamics, rows.x, rows.now, until, rows.cond, carry=(rows.slope,), generator=generator)
        with torch.no_grad():
            error = _rms(cast(State, step.error), _scale(solver, rows.x, step.x)).nan_to_num(nan=torch.inf)
            accept = error <= 1
            factor = control.factor(error, rows.error, rows.rejected, order=order)
            stuck = ~accept & (size <= rows.floor)
            size = torch.where(stuck, 0.0, torch.maximum(size * factor, rows.floor))
        if any(leaf.requires_grad for leaf in leaves(step.x)) and not accept.all():
            # a rejected stage may lie where the field is not a number, which no zero of a `where` makes a gradient:
            # the step is taken again, and its rejected rows stay where they are
            until = torch.where(accept, until, rows.now)
            step = solver.step(dynamics, rows.x, rows.now, until, rows.cond, carry=(rows.slope,), generator=generator)
        if rows.times is not None:
            passed = rows.sign[:, None] * (rows.times - rows.now[:, None]) > 0
            passed &= rows.sign[:, None] * (rows.times - until[:, None]) <= 0
            places, times = (passed & accept[:, None]).nonzero(as_tuple=True)
            h = until - rows.now
            theta = ((rows.times[places, times] - rows.now[places]) / h[places]).clamp(0, 1)
            between = interpolate(solver.tableau, rows.x, step, h=h, rows=places, theta=theta, space=solver.space)
            trajectory.add(times, rows.place[places], between)

        def choose(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(align(accept, new), new, old)  # noqa: B023

        rows = rows._replace(
            x=map_state(choose, step.x, rows.x),
            slope=map_state(choose, step.carry[-1], rows.slope),
            now=choose(until, rows.now),
            size=size,
            error=choose(error.clamp(min=_FRESH), rows.error),
            rejected=~accept,
        )
    raise RunFailed(
        f"{type(solver).__name__} tried {control.max_steps} steps and {len(rows.place)} rows have not arrived, the "
        f"first of them at t={rows.now[0]:.6g}; loosen the tolerances or raise max_steps of the controller"
    )


def _refuse_stuck(solver: Adaptive, rows: _Rows) -> None:
    stuck = ((rows.now != rows.end) & (rows.size == 0)).nonzero()[:, 0]
    if len(stuck):
        row, t = int(rows.place[stuck[0]]), float(rows.now[stuck[0]])
        raise RunFailed(
            f"{type(solver).__name__} cannot go on at t={t:.6g} in row {row}: the field is not finite there, or the "
            f"tolerances ({solver.relative_tolerance:g}, {solver.absolute_tolerance:g}) are below rounding in "
            f"{rows.now.dtype}; look at the field there, loosen the tolerances or use float64"
        )
