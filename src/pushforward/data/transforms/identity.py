"""No change."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from pushforward.core import Gen, State, batch_size, leaves

__all__ = ["Identity"]

S = TypeVar("S", bound=State)


class Identity(nn.Module):
    """y = x, for tensors and mappings of tensors."""

    def __init__(self) -> None:
        super().__init__()  # nn.Module's own signature takes anything: this one says that there are no arguments

    def forward(self, x: S, *, generator: Gen = None) -> S:
        """`x`."""
        return x

    def inverse(self, y: S) -> S:
        """`y`."""
        return y

    def log_det(self, x: State, *, generator: Gen = None) -> Tensor:
        """Zeros `[B]`."""
        leaf = leaves(x)[0]
        return torch.zeros(batch_size(x), dtype=torch.result_type(leaf, 1.0), device=leaf.device)
