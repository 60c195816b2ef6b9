"""Begin late: the early part of a flow by a formula, the rest with the trained field."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Field, Incompatible, Solver, State, broadcast_time, dot, map_state, require, span_of
from pushforward.inference.gaussian_flow import GaussianFlow
from pushforward.solvers import Integrated

__all__ = ["Skip", "SkipErrors", "skip_errors"]


@dataclass(frozen=True)
class Skip:
    r"""A trained field that is followed from a later time on, where the Gaussian of the data takes the noise.

    .. math:: x_1 = X_{\tau,1}\big(X^{\mathrm{Gauss}}_{0,\tau}(x_0)\big), \qquad
              X^{\mathrm{Gauss}}_{0,\tau}(x_0) = \alpha_\tau m + C_\tau^{1/2} x_0

    Costs one product with the axes of the data in place of all steps before :math:`\tau`. The answer differs by what
    the data are not Gaussian at that time, which `skip_errors` measures beforehand; past the time at which the modes of
    the data part, rows end between them. Guidance is not in the formula: skip less where it is strong. For a field that
    was trained on coupled pairs the formula does not hold at all: `Flow` refuses it, and the errors show it at once.

    It is a field that says where it may be followed (`span`) and how noise gets there (`start`), so that `Flow.sample`
    takes it: `flow.sample(n, guidance=lambda field: Skip(field, gaussian, 0.2))`, which may guide the field, too.

    Source: Wang & Vastola, Diffusion Models Generate Images Like Painters (2023), https://arxiv.org/abs/2303.02490.

    Args:
        field: The trained (and perhaps guided) velocity.
        gaussian: The flow of the data's moments, on the same path and in the same units.
        time: tau, in [0, 1) and not before the field's own `span`.

    Raises: `InvalidInput` for a time out of range; `Incompatible` for a field and a Gaussian of two paths.

    Example:
        >>> exact = pf.oracles.reference_mixture().along(pf.paths.Affine())
        >>> x1 = exact.sample(1000, 1.0, generator=torch.Generator().manual_seed(0))
        >>> late = Skip(exact, GaussianFlow.of(x1, exact.path), time=0.1)
        >>> x = late.start(torch.zeros(1, 2))
        >>> pf.solve(late, x, torch.linspace(0.1, 1, 10), solver=pf.solvers.Heun()).x.shape
        torch.Size([1, 2])
    """

    field: Field
    gaussian: GaussianFlow
    time: float

    def __post_init__(self) -> None:
        low, high = span_of(self.field)
        require(
            low <= self.time < high,
            f"time is {self.time}, expected one in [{low:g}, {high:g}), where the field may be followed",
        )
        path = getattr(self.field, "path", self.gaussian.path)
        require(
            path == self.gaussian.path,
            f"the field is of {path}, the Gaussian of {self.gaussian.path}; build the Gaussian on the field's path",
            Incompatible,
        )

    @property
    def span(self) -> tuple[float, float]:
        """From the time to the end of the field."""
        return (self.time, span_of(self.field)[1])

    def start(self, noise: State, cond: Cond = None, *, back: bool = False) -> Tensor:
        """Standard normal rows as states at the time; or `back`."""
        return (self.gaussian.noise if back else self.gaussian.draw)(noise, self.time, cond)

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The field."""
        return self.field(x, t, cond)


class SkipErrors(NamedTuple):
    """What a skip to some times costs on a pilot batch: root mean squares over rows of distances, in state units.

    `error` is the distance between the formula and the field's own trajectory at that time; `final` what is left (or
    has become) of it at the end, when the field is followed from there; `mismatch` the velocities' distance along the
    formula's trajectory, integrated up to that time: a first-order estimate of `error` that needs no solution.
    """

    times: Float[Tensor, " k"]
    error: Float[Tensor, " k"]
    final: Float[Tensor, " k"]
    mismatch: Float[Tensor, " k"]

    def latest(self, tolerance: float) -> float:
        """The last time up to which `final` stays within `tolerance`; 0 when it does so at none."""
        within = (self.final <= tolerance).long().cumprod(0)
        return float((self.times * within).max())


@torch.no_grad()
def skip_errors(
    field: Field,
    gaussian: GaussianFlow,
    noise: Tensor,
    times: Sequence[float],
    *,
    solver: Solver,
    steps: int = 100,
    cond: Cond = None,
) -> SkipErrors:
    r"""How far from a field's own trajectories the Gaussian formula leads, by the time of the skip.

    .. math:: e(\tau)^2 = \mathrm E\,\big|X^{\mathrm{Gauss}}_{0,\tau}(x_0) - X_{0,\tau}(x_0)\big|^2

    Source: as `Skip`; measured here, the paper compares by eye.

    Args:
        field: The trained velocity.
        gaussian: The flow of the data's moments.
        noise: A pilot batch of standard normal rows `[B, *E]`; the figures are means over them.
        times: Candidates, rising, inside the field's span.
        solver: Follows the field.
        steps: Steps per unit of time, rounded up between neighbouring times.
        cond: Condition of every row.

    Raises: `InvalidInput` for times that do not rise or leave the span.

    Example:
        >>> exact = pf.oracles.GaussianMixture([[2.0]], [0.25]).along(pf.paths.Affine())
        >>> gaussian = GaussianFlow.from_moments(torch.tensor([2.0]), torch.tensor([[0.25]]), exact.path)
        >>> found = skip_errors(exact, gaussian, torch.randn(64, 1), [0.2, 0.8], solver=pf.solvers.RK4())
        >>> found.latest(1e-3)                                          # of Gaussian data nothing need be followed
        0.8
    """
    low, high = span_of(field)
    grid = [low, *map(float, times), high]
    require(
        len(grid) > 2 and all(a < b for a, b in pairwise(grid)),
        f"times are {list(times)}, expected rising numbers between {low:g} and {high:g}, the span of the field",
    )
    follow = lambda x, s, t: Integrated(field, solver, max(1, math.ceil(steps * (t - s))))(x, s, t, cond)
    truth, states = gaussian.draw(noise, low, cond), []
    for s, t in pairwise(grid):
        truth = follow(truth, s, t)
        states.append(truth)
    guesses = [gaussian.draw(noise, t, cond) for t in grid[1:-1]]
    error = [_rms(guess, state) for guess, state in zip(guesses, states, strict=False)]
    final = [_rms(follow(guess, t, high), truth) for guess, t in zip(guesses, grid[1:-1], strict=True)]

    def gap(t: float) -> Tensor:
        x = gaussian.draw(noise, t, cond)
        time = broadcast_time(t, x)
        return _rms(field(x, time, cond), gaussian.velocity(x, time, cond))

    pieces = []
    for s, t in pairwise(grid[:-1]):
        n = max(4, math.ceil(steps * (t - s)))  # the mismatch starts like a power of t, flat for the midpoint rule
        pieces.append(torch.stack([gap(s + (k + 0.5) * (t - s) / n) for k in range(n)]).mean() * (t - s))
    at = torch.tensor(grid[1:-1], dtype=torch.float64, device=noise.device)
    return SkipErrors(at, torch.stack(error), torch.stack(final), torch.stack(pieces).cumsum(0))


def _rms(x: State, y: State) -> Tensor:
    gap = map_state(torch.sub, x, y)
    return dot(gap, gap).mean().sqrt()
