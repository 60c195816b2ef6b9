"""The energy of a flow's trajectories."""

from typing import overload

import torch
from torch import Tensor

from pushforward.core import Cond, Field, State
from pushforward.metrics._march import mean_over_rows, velocity_moments

__all__ = ["path_energy"]


@overload
def path_energy(motion: Field, at: State, /, *, steps: int = 100, cond: Cond = None) -> float: ...
@overload
def path_energy(motion: State, at: Tensor, /) -> float: ...
@torch.no_grad()
def path_energy(motion: Field | State, at: State, /, *, steps: int = 100, cond: Cond = None) -> float:
    r"""Mean kinetic energy of trajectories in flat space.

    .. math:: \mathrm{E} \int |v(X_t, t)|^2\,dt, \qquad dX_t = v(X_t, t)\,dt

    Called as `path_energy(field, x0, steps=100)`, the field is followed over [0, 1] by the midpoint rule, error
    O(steps^-2). Called as `path_energy(xs, times)`, it is the energy of the polygon through saved states,
    :math:`\sum_k |x_{k+1} - x_k|^2 / |t_{k+1} - t_k|`, which is never above that of the curve.

    Floor: W_2^2 between source and target (Benamou & Brenier), reached by optimal transport alone; the normalised path
    energy is (energy - W_2^2) / W_2^2. Below 0 it says that the field does not arrive.

    Source: Tong et al., Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (TMLR
        2024), https://arxiv.org/abs/2302.00482. Differs: the midpoint rule instead of 100 steps of RK4.

    Args:
        motion: A field; or saved states `[K + 1, B, *E]`.
        at: Where the field starts `[B, *E]`; or the times of the states, `[K + 1]` or `[K + 1, B]`.
        steps: Of the midpoint rule, >= 1; two evaluations each.
        cond: What the field is told.

    Raises: `InvalidInput` for states and times that do not fit, or an energy that is not finite.

    Example:
        >>> round(path_energy(lambda x, t, cond=None: torch.full_like(x, 3.0), torch.zeros(5, 2)), 3)
        18.0
        >>> path_energy(torch.tensor([[[0.0]], [[1.0]], [[1.0]]]), torch.tensor([0.0, 0.5, 1.0]))
        2.0
    """
    straight, bent = velocity_moments(motion, at, steps=steps, cond=cond)
    return mean_over_rows(straight + bent, "path energy")
