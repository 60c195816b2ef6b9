"""Several point estimates at once."""

from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.core import InvalidInput, State, map_state, same_shape, shapes
from pushforward.fields.dirac import Dirac

__all__ = ["Stacked", "stack"]


def stack(*parts: State) -> State:
    """States side by side on the first event axis, `[B, K C, ...]`; single numbers `[B]` get one."""
    return map_state(lambda *rows: torch.cat([row[:, None] if row.ndim == 1 else row for row in rows], 1), *parts)


class Stacked(NamedTuple):
    r"""Point estimates of several quantities, each scored by its own squared error.

    .. math:: \ell(m, y) = \sum_k w_k\, \tfrac1d \lVert m_k - y_k \rVert^2

    Shapes: `mean` and targets `[B, K C, ...]` (or mappings), the quantities side by side on the first event axis as
        `stack` lays them; `weights` has one for each, a number or `[B]`. The loss is `[B]`.
    Raises: `InvalidInput` for a mean that is not shaped like its target.

    Example:
        >>> Stacked(torch.zeros(1, 4), (1.0, 0.5)).loss(torch.tensor([[1.0, 1.0, 2.0, 2.0]]))
        tensor([3.])
    """

    mean: State
    weights: tuple[float | Tensor, ...]

    def split(self, x: State | None = None) -> tuple[State, ...]:
        """The quantities of `mean`, one by one; shaped like `x` where it is given."""
        cut = [map_state(lambda m, k=k: m.chunk(len(self.weights), 1)[k], self.mean) for k in range(len(self.weights))]
        return tuple(cut if x is None else (map_state(lambda m, p: m.reshape(p.shape), part, x) for part in cut))

    def loss(self, target: State) -> Tensor:
        """Squared errors of every row, each a mean over coordinates, times their weights."""
        if not same_shape(self.mean, target):
            number = len(self.weights)
            raise InvalidInput(
                f"the network gave shape {shapes(self.mean)} for targets of shape {shapes(target)}, {number} parts "
                f"side by side on the first event axis; build it with outputs={number}"
            )
        goals = Stacked(target, self.weights).split()
        rows = [w * Dirac(m).loss(y) for w, m, y in zip(self.weights, self.split(), goals, strict=True)]
        return torch.stack(rows).sum(0)
