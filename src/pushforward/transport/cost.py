"""What it costs to go from here to there."""

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["squared_euclidean"]


def squared_euclidean(x: Float[Tensor, "n *e"], y: Float[Tensor, "m *f"]) -> Float[Tensor, "n m"]:
    r"""Squared distances between all rows, event axes flattened.

    .. math:: C_{ij} = |x_i - c|^2 + |y_j - c|^2 - 2\,(x_i - c)\cdot(y_j - c), \qquad c = \tfrac12(\bar x + \bar y)

    One matrix product. Without the common centre `c` clouds far from the origin lose their digits to cancellation: at a
    distance of 1000 spreads float32 is left with an error of 1e-2 instead of 4e-7. Never below zero; dtype and device
    are the inputs', half precision counts as float32.

    Example:
        >>> squared_euclidean(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]]))
        tensor([[9.],
                [4.]])
    """
    require(
        x.shape[1:] == y.shape[1:] and len(x) > 0 and len(y) > 0,
        f"states of shapes {list(x.shape)} and {list(y.shape)} cannot be compared; "
        "give at least one row of each, with the same event shape",
    )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.reshape(len(x), -1).to(dtype), y.reshape(len(y), -1).to(dtype)
    centre = (x.mean(0) + y.mean(0)) / 2
    x, y = x - centre, y - centre
    cost = torch.linalg.vecdot(x, x)[:, None] + torch.linalg.vecdot(y, y)
    return cost.addmm_(x, y.T, alpha=-2).clamp_min_(0)
