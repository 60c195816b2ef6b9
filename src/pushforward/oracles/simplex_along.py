"""The exact posterior of a law of tokens whose states are probability vectors."""

from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, State, require

__all__ = ["SimplexAlong", "SymbolPath"]


@runtime_checkable
class SymbolPath(Protocol):
    """A path whose positions are independent given their symbols, and that knows their law."""

    def log_likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        """log p_t(x^i | x1^i = k) for every k, `[B, *E, K]`, up to what all k share."""
        ...


class SimplexAlong(nn.Module):
    r"""A table of data along a path of probability vectors: the perfect network.

    .. math:: \mathrm P(x_1 = k \mid x_t = x) \propto T_k \prod_i p_t(x^i \mid k_i)

    `along(x, t)` gives the logits of every position, so that `NetField(along, Logits(), path)` is the exact field.

    Args:
        table: T, `[K, ..., K]` with N axes.
        path: From the noise of its space to the data.

    Shapes: `x` `[B, N, K]`, `t` `[B]`; logits `[B, N, K]`.
    """

    table: Tensor

    def __init__(self, table: Tensor, path: SymbolPath) -> None:
        super().__init__()
        self.register_buffer("table", table)
        self.path = path

    def forward(self, x: State, t: Tensor, cond: Cond = None) -> Float[Tensor, "b n k"]:
        """Log-probabilities of every position's x1 given the whole of x."""
        x, n, size = cast(Tensor, x), self.table.ndim, len(self.table)
        require(x.shape[1:] == (n, size), f"x has shape {list(x.shape)}, expected [B, {n}, {size}] as the table's axes")
        joint = self.table.to(x.dtype).log()[None]
        for i, part in enumerate(self.path.log_likelihood(x, t.to(x.dtype)).unbind(1)):
            joint = joint + part.reshape(len(x), *(size if a == i else 1 for a in range(n)))
        axes = list(range(1, n + 1))
        each = [joint.logsumexp([a for a in axes if a != i]) if n > 1 else joint for i in axes]
        return torch.stack(each, 1).log_softmax(-1)
