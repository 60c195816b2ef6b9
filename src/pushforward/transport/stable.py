"""Stable matching."""

import torch
from jaxtyping import Int64, Real
from torch import Tensor

from pushforward.core import require
from pushforward.transport._doors import Array, cost_matrix

__all__ = ["stable_matching"]


@torch.no_grad()
def stable_matching(cost: Real[Array, "n m"]) -> Int64[Tensor, " n"]:
    r"""The column `[n]` of every row in the matching that no row and column would rather leave for each other.

    .. math:: \text{no } (i, j):\quad C_{ij} < C_{i\sigma(i)}\ \text{ and }\ C_{ij} < C_{\sigma^{-1}(j)j}

    Both sides prefer what costs less, so that the cheapest pair of all belongs together, then the cheapest of what is
    left: without ties the matching is unique. Pairs that prefer each other are made all at once; about log n rounds for
    points in space, n at worst.

    Source: Gale & Shapley, College Admissions and the Stability of Marriage (1962). Differs: with one cost for both
        sides no proposals need to be taken back.

    Args:
        cost: `[n, n]`, tensor or array, finite; only the order of its entries counts.

    Raises: `InvalidInput` for a cost that is not square, empty, or not finite.

    Example:
        >>> stable_matching(torch.tensor([[4.0, 1.0], [2.0, 0.0]]))
        tensor([0, 1])
    """
    cost = cost_matrix(cost, "a matching")
    n = len(cost)
    require(n == cost.shape[1], f"a matching needs a square cost, got {list(cost.shape)}")
    require(bool(cost.isfinite().all()), "the cost has entries that are not finite; look for NaN or infinity")
    matched = torch.empty(n, dtype=torch.int64, device=cost.device)
    rows = columns = torch.arange(n, device=cost.device)
    while len(rows):
        wanted = cost.argmin(1)
        # the first of several least entries: the first row that holds the least of all is always in a pair
        mutual = cost.argmin(0)[wanted] == torch.arange(len(rows), device=cost.device)
        matched[rows[mutual]] = columns[wanted[mutual]]
        free = torch.ones_like(mutual).index_fill_(0, wanted[mutual], False)
        rows, columns, cost = rows[~mutual], columns[free], cost[~mutual][:, free]
    return matched
