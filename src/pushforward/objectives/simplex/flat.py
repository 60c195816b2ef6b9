"""Every point of the simplex alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require

__all__ = ["Flat"]


@dataclass(frozen=True)
class Flat:
    r"""The uniform law on the simplex, Dirichlet(1, ..., 1).

    .. math:: a_k = \frac{e_k}{\sum_j e_j}, \qquad e_k \sim \mathrm{Exp}(1)

    Learns all curves; what an edge needs of it is little, since no draw lies on one.

    Args:
        marginals: K >= 2.
    """

    marginals: int

    def __post_init__(self) -> None:
        require(self.marginals >= 2, f"Flat got marginals={self.marginals}, expected at least 2")

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """Draws `[size, K]`."""
        e = -torch.log1p(-rand((size, self.marginals), like, generator=generator))
        total = e.sum(1, keepdim=True)
        return e / total.clamp_min(torch.finfo(e.dtype).tiny)  # all K draws 0 happens about once in 2^(24 K) rows
