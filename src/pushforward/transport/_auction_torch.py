"""The auction of `assignment` for costs that live on an accelerator: all free rows bid at once."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Real
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


def solve(cost: Real[Tensor, "n n"], tolerance: float, *, rounds: int = 16) -> Solution:
    """Auction on a square `cost` on its device; a target of NaN where the cost is not finite.

    In float64: an epsilon below the rounding of the prices, float32 may come to that, would take bids without number.

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
    work = (exact - means - rows[:, None]) / scale
    prices = torch.zeros(n, dtype=torch.float64, device=cost.device)
    epsilon = START
    while True:
        chosen = _phase(work, prices, epsilon, rounds)
        excess = work.gather(1, chosen[:, None]).mean().item()
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
    """Bid until every row has a column, which is returned; raises `prices` in place.

    Every free row has a seat; who is outbid takes the seat of the row that outbid it. So the free rows of the next
    round are known without looking, and from look to look the device runs ahead with as many seats as there were. Slot
    n of the arrays takes what goes nowhere, and is nobody.
    """
    n = len(work)
    everyone = torch.arange(n, device=work.device)
    owner = torch.full((n + 1,), n, device=work.device)  # of each column
    asked = torch.cat([prices, prices[:1]])
    seats = everyone
    while len(seats):
        mine = everyone[: len(seats)]
        for _ in range(rounds):
            free = seats < n
            values = work[seats.clamp(max=n - 1)] + asked[:n]
            first, best = values.min(1)
            second = values.scatter_(1, best[:, None], torch.inf).amin(1)
            offer = torch.where(free, asked[best] + (second - first) + epsilon, -torch.inf)
            top = torch.full_like(asked, -torch.inf).scatter_reduce_(0, best, offer, "amax")
            # of equal offers one counts
            claims = torch.where(free & (offer == top[best]), mine, -1)
            wins = torch.full_like(owner, -1).scatter_reduce_(0, best, claims, "amax")[best] == mine
            outbid = owner[best]
            sold = torch.where(wins, best, n)
            owner[sold] = seats
            asked[sold] = offer
            seats = torch.where(wins, outbid, seats)
        seats = seats[seats < n]
    prices.copy_(asked[:n])
    return owner[:n].argsort()
