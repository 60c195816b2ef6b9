"""A point estimate."""

from typing import NamedTuple

from torch import Tensor

from pushforward.core import InvalidInput, State, dot, event_size, map_state, same_shape, shapes

__all__ = ["Dirac"]


class Dirac(NamedTuple):
    r"""A point estimate, scored by the squared error whose minimiser is the conditional mean.

    .. math:: \ell(m, y) = \tfrac1d \lVert m - y \rVert^2

    Shapes: `mean` and targets `[B, *E]` (or mappings); the loss is the mean over all coordinates, `[B]`.
    Raises: `InvalidInput` for a mean that is not shaped like its target: broadcasting would mix coordinates or rows.
    """

    mean: State

    def loss(self, target: State) -> Tensor:
        """Squared error of every row, mean over its coordinates."""
        if not same_shape(self.mean, target):  # before the message is made: this runs at every training step
            raise InvalidInput(
                f"the network gave shape {shapes(self.mean)} for targets of shape {shapes(target)}; let it return one "
                "number per coordinate of the target"
            )
        gap = map_state(lambda m, y: (m - y).float() if m.dtype.itemsize < 4 else m - y, self.mean, target)
        return dot(gap, gap) / event_size(gap)
