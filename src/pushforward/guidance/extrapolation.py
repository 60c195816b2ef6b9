"""What the guidance rules share: the checked scale, the stacked evaluation and the extrapolation."""

import math

import torch
from torch import Tensor

from pushforward.core import Cond, Field, InvalidInput, State, cat_states, map_state, null_condition, require

__all__ = ["check_scale", "extrapolate", "given", "null_like", "stacked"]


def check_scale(guidance: str, scale: float) -> None:
    """`InvalidInput` unless `scale` is a finite number >= 0."""
    require(
        math.isfinite(scale) and scale >= 0,
        f"{guidance} got scale={scale}, expected a finite number >= 0 (1 is no guidance); to steer away from a "
        "condition, give that condition as the weak side",
    )


def given(cond: Cond) -> State:
    """`cond`, when there is one to guide towards; `InvalidInput` otherwise."""
    if cond is None:
        raise InvalidInput("guidance got cond=None, expected the condition to guide towards; give cond, or no guidance")
    return cond


def null_like(cond: State, null: Cond) -> State:
    """The weak side's condition, a row for every row of `cond`: `null` repeated, or core's null condition."""

    def repeated(c: Tensor, n: Tensor) -> Tensor:
        require(
            n.shape[1:] == c.shape[1:] and len(n) in (1, len(c)) and n.dtype == c.dtype,
            f"guidance got a null of shape {list(n.shape)} and {n.dtype}, expected one row like the condition, "
            f"{[1, *c.shape[1:]]} and {c.dtype}",
        )
        return n.expand_as(c)

    return null_condition(cond) if null is None else map_state(repeated, cond, null)


def stacked(field: Field, x: State, t: Tensor, weak: State, strong: State) -> tuple[State, State]:
    """The field under two conditions, by one evaluation of twice the rows."""
    both = field(cat_states(x, x), torch.cat([t, t]), cat_states(weak, strong))
    return map_state(lambda v: v[: len(t)], both), map_state(lambda v: v[len(t) :], both)


def extrapolate(weak: State, strong: State, scale: float) -> State:
    """Weak + scale (strong - weak), written from the strong side, which a scale of 1 so gives bit for bit."""
    return map_state(lambda u, v: v + (scale - 1) * (v - u), weak, strong)
