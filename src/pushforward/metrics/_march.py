"""Time averages of a flow's velocity, from a field or from saved states.

A quadrature of functionals of the velocity, not a solver: it keeps no states and gives none. Flows that are to be
followed go through `solve`; what it saved comes back here as a trajectory.
"""

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Cond, Field, State, align, broadcast_time, dot, leaves, like, map_state, require

__all__ = ["mean_over_rows", "velocity_moments"]


def velocity_moments(motion: Field | State, at: State, *, steps: int, cond: Cond) -> tuple[Tensor, Tensor]:
    r"""Squared mean and variance of the velocity over time, both integrated, for every row.

    .. math:: T|\bar v|^2 = \frac{|X_1 - X_0|^2}{T}, \qquad \int |v_t - \bar v|^2\,dt, \qquad
              \bar v = \frac1T \int v_t\,dt = \frac{X_1 - X_0}{T}

    Their sum is the energy :math:`\int |v_t|^2 dt`. The variance is summed as deviations from the running mean
    (Welford), because the difference of the two large numbers would drown a nearly straight flow in rounding.

    Args:
        motion: A field, followed from `at` over [0, 1]; or saved states `[K + 1, B, *E]`.
        at: Where the field starts `[B, *E]`; or the times of the states, `[K + 1]` or `[K + 1, B]`, strictly monotone.
        steps: Of the quadrature along a field.
        cond: What the field is told.

    Returns: Two tensors `[B]`.
    """
    pieces = _saved(motion, at) if isinstance(motion, Tensor | Mapping) else _followed(motion, at, steps, cond)
    total = torch.zeros(())
    mean, spread = None, total
    for dt, v in pieces:
        total = total + dt
        if mean is None:
            mean, spread = v, torch.zeros_like(dt)
            continue
        share = dt / total
        gap = map_state(torch.sub, v, mean)
        mean = _shift(mean, gap, share)
        spread = spread + dt * (1 - share) * dot(gap, gap)
    assert mean is not None
    return total * dot(mean, mean), spread


def _shift(x: State, u: State, dt: Tensor) -> State:
    """x + dt u."""
    return map_state(lambda p, q: like(p + align(dt, q) * q, p), x, u)


def _followed(field: Field, x: State, steps: int, cond: Cond) -> Iterator[tuple[Tensor, State]]:
    """The velocity of a field over [0, 1] by the midpoint rule: error O(steps^-2), and never asked at t = 1."""
    require(steps >= 1, f"steps is {steps}, expected at least 1")
    dt = broadcast_time(1 / steps, x)
    for k in range(steps):
        early = field(x, broadcast_time(k / steps, x), cond)
        v = field(_shift(x, early, dt / 2), broadcast_time((k + 0.5) / steps, x), cond)
        x = _shift(x, v, dt)
        yield dt, v


def _saved(xs: State, times: State) -> Iterator[tuple[Tensor, State]]:
    """The velocity of the polygon through saved states."""
    first = leaves(xs)[0]
    shape = list(times.shape) if isinstance(times, Tensor) else type(times).__name__
    wanted = (first.shape[:1], first.shape[:2])
    require(
        isinstance(times, Tensor) and first.ndim >= 2 and len(first) >= 2 and times.shape in wanted,
        f"states {list(first.shape)} with times {shape}: expected states [K + 1, B, *E] at times [K + 1] or [K + 1, B]",
    )
    steps = cast(Tensor, times).to(first).diff(dim=0)
    require(
        bool((steps > 0).all() or (steps < 0).all()),
        "times do not rise or fall strictly; give every saved state a time of its own",
    )
    moves = map_state(lambda p: p.diff(dim=0), xs)
    for k, step in enumerate(steps):
        # backwards in time the velocity changes its sign, which no square sees
        dt = broadcast_time(step, first[k]).abs()
        yield dt, map_state(lambda p, i=k, h=dt: p[i] / align(h, p[i]), moves)


def mean_over_rows(rows: Tensor, name: str) -> float:
    """The mean of `[B]`, which must be finite."""
    broken = ~torch.isfinite(rows)
    require(
        not broken.any(),
        f"the {name} of {int(broken.sum())} of {len(rows)} rows is not finite, first in row "
        f"{int(broken.int().argmax())}; the velocity diverges there, or the states hold NaN",
    )
    return float(rows.double().mean())
