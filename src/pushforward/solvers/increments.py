"""What the solvers of stochastic equations ask for: the noise of a step, and dynamics that take some."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import Gen, Incompatible, Solver, State, align, like, map_state, randn_like

__all__ = ["Brownian", "Increment", "Stochastic", "combine", "draw", "draws_noise", "require_noise"]


class Increment(NamedTuple):
    r"""A Brownian path between two times, as far as steps see it; independent normals.

    .. math:: \Delta W = W_t - W_s \sim N(0, |h|), \qquad
              H = \frac1h \int_s^t W_r\, dr - \frac{W_s + W_t}2 \sim N\big(0, \tfrac{|h|}{12}\big), \qquad h = t - s

    `area` is H, the space-time Levy area; it is the same in both directions.
    """

    change: State
    area: State


@runtime_checkable
class Brownian(Protocol):
    """A Brownian path that is fixed before it is asked for."""

    def increment(self, x: State, s: Tensor, t: Tensor) -> Increment:
        """The path of every coordinate of `x` between times `s` and `t` `[B]`."""
        ...


@runtime_checkable
class Stochastic(Solver, Protocol):
    """A solver that follows an SDE: a Field with `direction` and `diffusion`, such as `fields.FlowSDE`."""

    @property
    def brownian(self) -> Brownian | None:
        """The path it follows; None draws from the generator."""
        ...


def draws_noise(solver: Any) -> bool:
    """Whether `solver` draws: one of SDEs, or one whose `draws` says that it brings noise of its own (`DDIM`)."""
    return isinstance(solver, Stochastic) or bool(getattr(solver, "draws", False))


def draw(brownian: Brownian | None, x: State, s: Tensor, t: Tensor, *, generator: Gen, area: bool = False) -> Increment:
    """The noise of a step from `s` to `t`; without a path it is drawn, H only if `area` (it is the change if not)."""
    if brownian is not None:
        return brownian.increment(x, s, t)
    root = (t - s).abs().sqrt()

    def normal(scale: float) -> State:
        return map_state(lambda p: like(align(root * scale, p) * randn_like(p, generator=generator), p), x)

    change = normal(1.0)
    return Increment(change, normal(12**-0.5) if area else change)


def require_noise(solver: Any, dynamics: Any) -> None:
    """Raise `Incompatible` unless `dynamics` has noise that a stochastic solver can ask for."""
    if not hasattr(dynamics, "diffusion"):
        dynamics = getattr(dynamics, "dynamics", dynamics)  # `solve` counts evaluations around it
        raise Incompatible(
            f"{type(solver).__name__} follows a stochastic equation, got {type(dynamics).__name__} without diffusion; "
            "use fields.FlowSDE(velocity, eps), or a solver of flows such as Heun()"
        )


def combine(x: State, *terms: tuple[Tensor, State]) -> State:
    """`x` plus states times factors `[B]`, in the dtype of the states."""
    for factor, term in terms:
        x = map_state(lambda p, q: like(torch.addcmul(p, align(factor, q), q), p, q), x, term)  # noqa: B023
    return x
