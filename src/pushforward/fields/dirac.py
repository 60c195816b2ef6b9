"""A point estimate."""

from typing import NamedTuple

from torch import Tensor

from pushforward.core import State, dot, leaves, map_state

__all__ = ["Dirac"]


class Dirac(NamedTuple):
    r"""A point estimate, scored by the squared error whose minimiser is the conditional mean.

    .. math:: \ell(m, y) = \tfrac1d \lVert m - y \rVert^2

    Shapes: `mean` and targets `[B, *E]` (or mappings); the loss is the mean over all coordinates, `[B]`.
    """

    mean: State

    def loss(self, target: State) -> Tensor:
        """Squared error of every row, mean over its coordinates."""
        gap = map_state(lambda m, y: (m - y).float() if m.dtype.itemsize < 4 else m - y, self.mean, target)
        return dot(gap, gap) / sum(leaf[0].numel() for leaf in leaves(gap))
