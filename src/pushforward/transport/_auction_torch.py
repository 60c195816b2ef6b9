"""The auction of `assignment` for costs that live on an accelerator: all free rows bid at once."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["Solution", "solve"]

# Epsilons over the mean of the work matrix, as in `_auction`: the first, the factor between phases, the least last one.
START = 0.05
SHRINK = 6.0
FLOOR = 1e-9


class Solution(NamedTuple):
    """The column of every row, the prices, the certified mean gap, and the gap that was asked for."""

    chosen: Int64[Tensor, " n"]
    prices: Float[Tensor, " n"]
    gap: float
    target: float


def solve(cost: Float[Tensor, "n n"], tolerance: float, dtype: torch.dtype, *, rounds: int = 16) -> Solution:
    """Auction on a square `cost` on its device, bids in `dtype`; a target of NaN where the cost is not finite.

    `rounds` of bids pass between two looks at who is still free, each of which waits for the device.
    """
    exact = cost.double()
    n = len(exact)
    means = exact.mean(0)
    rows = (exact - means).amin(1)
    scale, resolution = torch.stack([-rows.mean(), 1e-15 * (means.abs().mean() + rows.abs().mean()) + 1e-300]).tolist()
    chosen = torch.arange(n, device=cost.device)
    if not scale < float("inf"):
        return Solution(chosen, means, float("nan"), float("nan"))
    if n == 1 or scale <= resolution:
        return Solution(chosen, -means, max(scale, 0.0), resolution)  # every permutation costs the same
    # at least 0, with a 0 in every row and a mean of 1: see `_auction.solve`
    work = ((exact - means - rows[:, None]) / scale).to(dtype)
    prices = torch.zeros(n, dtype=torch.float64, device=cost.device)
    epsilon = START
    while True:
        chosen = _phase(work, prices, epsilon, rounds)
        excess = work.gather(1, chosen[:, None]).double().mean().item()
        target = max(tolerance * (excess - epsilon), FLOOR)
        if excess == 0.0:
            prices.zero_()  # the bound that the starting prices give is reached, so these prove it
        if epsilon <= target or excess == 0.0:
            break
        epsilon = max(epsilon / SHRINK, target)
    prices = scale * prices - means
    paid = exact.gather(1, chosen[:, None])[:, 0] + prices[chosen]
    gap = (paid - (exact + prices).amin(1)).mean().item()
    return Solution(chosen, prices, gap, scale * target + resolution)


def _phase(work: Float[Tensor, "n n"], prices: Float[Tensor, " n"], epsilon: float, rounds: int) -> Int64[Tensor, " n"]:
    """Bid until every row has a column; raises `prices` in place.

    Rows that have found a column, and those that have lost theirs since the last look, keep still: no shape depends on
    a bid, and the device runs ahead. Slot n of the arrays takes what goes nowhere.
    """
    n = len(work)
    column = torch.full((n + 1,), n, device=work.device)  # of each row; n where it has none
    owner = torch.full((n + 1,), n, device=work.device)  # of each column
    while len(free := (column[:n] == n).nonzero()[:, 0]):
        cost = work[free]
        for _ in range(rounds):
            values = cost + prices.to(work.dtype)
            first, best = values.min(1)
            second = values.scatter_(1, best[:, None], float("inf")).amin(1)
            offer = prices[best] + (second.double() - first.double()) + epsilon
            offer = torch.where(column[free] == n, offer, -torch.inf)
            top = torch.full_like(prices, -torch.inf).scatter_reduce_(0, best, offer, "amax")
            # of equal offers the last row's counts
            wins = (offer == top[best]) & (offer > -torch.inf)
            winner = torch.full_like(owner, -1).scatter_reduce_(0, best, torch.where(wins, free, -1), "amax")
            sold = winner >= 0
            column[torch.where(sold, owner, n)[:n]] = n
            column[torch.where(sold, winner, n)[:n]] = torch.where(sold, torch.arange(n + 1, device=work.device), n)[:n]
            owner = torch.where(sold, winner, owner)
            prices.copy_(torch.where(sold[:n], top, prices))
    return column[:n]
