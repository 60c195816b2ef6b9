"""What the repulsions between two rows share."""

import torch
from torch import Tensor

from pushforward.transport import squared_euclidean

__all__ = ["squares"]


def squares(h: Tensor) -> Tensor:
    """Mean squared differences of every two rows of `[B, D]`, each pair once, `[B (B - 1) / 2]`.

    A mean over coordinates, as a sum would tie every temperature and margin to the width of the layer.
    """
    i, j = torch.triu_indices(len(h), len(h), 1, device=h.device)
    return squared_euclidean(h, h)[i, j] / h.shape[1]
