"""How far a flow's trajectories are from straight lines at constant speed."""

from typing import overload

import torch
from torch import Tensor

from pushforward.core import Cond, Field, State, require
from pushforward.metrics._march import mean_over_rows, velocity_moments

__all__ = ["curvature"]


@overload
def curvature(motion: Field, at: State, /, *, steps: int = 100, cond: Cond = None) -> float: ...
@overload
def curvature(motion: State, at: Tensor, /) -> float: ...
@torch.no_grad()
def curvature(motion: Field | State, at: State, /, *, steps: int = 100, cond: Cond = None) -> float:
    r"""Rectified flow's straightness functional: 0 exactly when every trajectory is a line run at constant speed.

    .. math:: \mathrm{E} \int_0^1 |(X_1 - X_0) - v(X_t, t)|^2\,dt
              = \mathrm{E} \int_0^1 |v(X_t, t)|^2\,dt - \mathrm{E}|X_1 - X_0|^2

    It is the variance of the velocity over time, and what one Euler step cannot see. On saved states at other times the
    displacement is divided by their span. Called as `curvature(field, x0, steps=100)` or `curvature(xs, times)`.

    Floor: 0, for a flow that has been straightened; the exact CondOT field from N(0, I) to N(mu, S), trained on
    independent pairs, has :math:`(2 - \pi/2) \operatorname{tr} S^{1/2}`. In squared units of the data.

    Source: Liu, Gong & Liu, Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow (2022),
        https://arxiv.org/abs/2209.03003, S(Z).

    Args:
        motion: A field; or saved states `[K + 1, B, *E]`, K >= 2.
        at: Where the field starts `[B, *E]`; or the times of the states, `[K + 1]` or `[K + 1, B]`.
        steps: Of the midpoint rule, >= 2 (one step is always straight); two evaluations each, error O(steps^-2),
            none on straight flows.
        cond: What the field is told.

    Raises: `InvalidInput` for states and times that do not fit, or a result that is not finite.

    Example:
        >>> curvature(lambda x, t, cond=None: torch.full_like(x, 3.0), torch.zeros(5, 2), steps=10)
        0.0
    """
    require(steps >= 2, f"steps is {steps}, expected at least 2: a single step is always straight")
    _, bent = velocity_moments(motion, at, steps=steps, cond=cond)
    return mean_over_rows(bent, "curvature")
