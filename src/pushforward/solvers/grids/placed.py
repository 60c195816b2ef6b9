"""Steps where the error is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pushforward.core import Cond, Path, Solver, State, broadcast_time, dot, event_size, map_state, require, span_of
from pushforward.solvers.heun import Heun
from pushforward.solvers.runge_kutta import Tableau

__all__ = ["Placed", "by_error"]

LEAST = 0.05  # no step is longer than 1 / LEAST times the mean, however small the error there


@dataclass(frozen=True)
class Placed:
    r"""Steps that follow a given clock: equal steps of u, where t(u) is linear between given times.

    .. math:: t_i = t(i / K), \qquad t(j / M) = \mathrm{times}_j

    Args:
        times: M + 1 rising times, M >= 1; such as `by_error` finds.

    Raises: `InvalidInput` at construction for times that do not rise; when called, for a span that is not theirs.

    Example:
        >>> Placed((0.0, 0.2, 1.0))(4)
        tensor([0.0000, 0.1000, 0.2000, 0.6000, 1.0000], dtype=torch.float64)
    """

    times: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = len(self.times) >= 2 and all(a < b for a, b in zip(self.times, self.times[1:], strict=False))
        require(rising, f"Placed.times are {list(self.times)}, expected at least two numbers that rise")

    @property
    def span(self) -> tuple[float, float]:
        """From and to."""
        return (self.times[0], self.times[-1])

    def __call__(self, steps: int, *, span: tuple[float, float] = (0.0, 1.0), path: Path | None = None) -> Tensor:
        """`[steps + 1]` times; the path does not matter."""
        own = self.span
        require(
            max(abs(own[0] - span[0]), abs(own[1] - span[1])) < 1e-6,
            f"this grid was placed from {own[0]:g} to {own[1]:g} and is asked for {span[0]:g} to {span[1]:g}; place it "
            "there",
        )
        u = np.linspace(0, 1, steps + 1)
        found = torch.from_numpy(np.interp(u, np.linspace(0, 1, len(self.times)), self.times))
        found[0], found[-1] = span
        return found


@torch.no_grad()
def by_error(
    field: Any,
    x: State,
    *,
    solver: Solver | None = None,
    cells: int = 64,
    span: tuple[float, float] | None = None,
    cond: Cond = None,
) -> Placed:
    r"""A grid on which every step of a one-step method of order p makes the same local error.

    A pilot batch is followed through equal cells, each once by one step and once by two halves. Their difference is
    C(t) h^{p+1}, so that steps of length proportional to C^{-1/(p+1)} share the error evenly:

    .. math:: u(t) \propto \int_a^t C(r)^{\frac{1}{p + 1}}\, dr, \qquad
              C \approx h^{-(p+1)} \sqrt{\mathrm{mean}\,\lVert x^{(1)} - x^{(2)} \rVert^2}

    Source: de Boor's principle of equal errors, as in Ascher, Mattheij & Russell, Numerical Solution of Boundary Value
        Problems (1995), chapter 9.

    Args:
        field: What is followed.
        x: Pilot batch `[B, *E]` at the start of the span.
        solver: One-step method with a tableau; None for Heun(). Grids for multistep methods of its order are alike.
        cells: Where the error is measured; every one takes three steps.
        span: From and to; None takes the field's own.
        cond: Condition of the pilot batch.

    Returns: `Placed`, for any number of steps; it can stand in a configuration.
    Raises: `InvalidInput` for a solver without a tableau, fewer than two cells, and a field whose error is not finite.

    Example:
        >>> late = by_error(lambda x, t, cond: t[:, None] ** 8, torch.zeros(1, 1))
        >>> late(4)
        tensor([0.0000, 0.6272, 0.7925, 0.9081, 1.0000], dtype=torch.float64)
    """
    method: Any = Heun() if solver is None else solver
    tableau = getattr(method, "tableau", None)
    if not isinstance(tableau, Tableau):
        require(False, f"by_error needs a one-step method with a tableau, such as Heun(), got {type(method).__name__}")
        raise AssertionError
    require(cells >= 2, f"cells={cells}, expected at least 2")
    low, high = span_of(field) if span is None else span
    edges = torch.linspace(low, high, 2 * cells + 1, dtype=torch.float64)
    density: list[Tensor] = []
    for j in range(cells):
        s, m, t = (broadcast_time(float(edge), x) for edge in edges[2 * j : 2 * j + 3])
        once = method.step(field, x, s, t, cond).x
        x = method.step(field, method.step(field, x, s, m, cond).x, m, t, cond).x
        gap = map_state(torch.sub, once, x)
        density.append((dot(gap, gap).double().mean() / event_size(gap)) ** (0.5 / (tableau.order + 1)))
    rate = torch.stack(density).cpu()
    require(bool(rate.isfinite().all()), "the field's error is not finite; check it on the pilot batch with solve(...)")
    rate = torch.where(rate.mean() > 0, rate.clamp_min(LEAST * float(rate.mean())), torch.ones_like(rate))
    clock = np.concatenate([[0.0], rate.cumsum(0).numpy()])
    times = np.interp(np.linspace(0, 1, cells + 1), clock / clock[-1], edges[::2].numpy())
    return Placed(tuple(times.tolist()))
