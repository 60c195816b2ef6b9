"""A field and a solver, seen as a flow map."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.core import Cond, Solver, State, broadcast_time, require
from pushforward.solvers.solve import march

__all__ = ["Integrated"]


@dataclass(frozen=True)
class Integrated:
    r"""The flow map of a field, integrated: every row from its own s to its own t.

    .. math:: X_{s,t}(x) = x + \int_s^t v(x_r, r)\, dr, \qquad x_s = x

    Times are not checked, so that nothing waits for the device; a row with s = t stays where it is.

    Args:
        dynamics: Field.
        solver: A step.
        steps: Steps of equal length between s and t, >= 1; adaptive solvers choose their own.

    Raises: `InvalidInput` at construction when `steps` is below one.

    Example:
        >>> teacher = Integrated(lambda x, t, cond: -x, pf.solvers.RK4(), steps=8)
        >>> teacher(torch.ones(1, 1), torch.zeros(1), torch.ones(1))
        tensor([[0.3679]])
    """

    dynamics: Any
    solver: Solver
    steps: int = 1

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"steps={self.steps}, expected at least 1")

    def __call__(self, x: State, s: Tensor | float, t: Tensor | float, cond: Cond = None) -> State:
        """Where what is at `x` at time `s` will be at time `t`."""
        s, t = broadcast_time(s, x), broadcast_time(t, x)
        fraction = torch.linspace(0, 1, self.steps + 1, dtype=s.dtype, device=s.device)
        return march(self.dynamics, x, torch.lerp(s, t, fraction[:, None]), solver=self.solver, cond=cond)[0]
