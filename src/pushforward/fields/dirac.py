"""A point estimate."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from pushforward.core import InvalidInput, State, map_state, mean_rows, same_shape, shapes

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
        return mean_rows(map_state(_squares, self.mean, target))


def _squares(m: Tensor, y: Tensor) -> Tensor:
    """Of the gaps, in float32 at least; one operator, and one more on the way back."""
    dtype = torch.promote_types(torch.promote_types(m.dtype, y.dtype), torch.float32)
    return mse_loss(m.to(dtype), y.to(dtype), reduction="none")
