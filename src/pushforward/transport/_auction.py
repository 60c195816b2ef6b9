"""The compiled kernels of `assignment`; importing them imports numba, which is why nothing else here does."""

from typing import Any, no_type_check

import numba
import numpy as np

# `no_type_check` keeps the annotation checkers of the tests out of what numba compiles.
# The running minima of LANES interleaved columns do not wait for each other: plain loops become vector instructions.
# That needs loops over whole blocks, `block * LANES + lane`; a range in steps of LANES stays scalar.
LANES = 64
QUARTER = LANES // 4
# Epsilons, over the mean of the work matrix: the first (0.01 to 0.1 were tried), the factor between phases (4 to 10),
# and the last where the relative tolerance asks for less.
START = 0.05
SHRINK = 6.0
FLOOR = 1e-9


@numba.njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _row_minima(cost: Any, shift: Any) -> Any:
    """min_j (cost_ij + shift_j) in float64."""
    n = cost.shape[0]
    blocks = n // LANES
    minima = np.empty(n)
    low = np.empty(LANES)
    for i in range(n):
        row = cost[i]
        low[:] = np.inf
        for block in range(blocks):
            for lane in range(LANES):
                low[lane] = min(low[lane], row[block * LANES + lane] + shift[block * LANES + lane])
        for j in range(blocks * LANES, n):
            low[j - blocks * LANES] = min(low[j - blocks * LANES], row[j] + shift[j])
        for k in range(QUARTER):
            low[k] = min(low[k], low[k + QUARTER], low[k + 2 * QUARTER], low[k + 3 * QUARTER])
        minima[i] = low[:QUARTER].min()
    return minima


@numba.njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _phase(work: Any, prices: Any, short: Any, owner: Any, epsilon: Any) -> Any:
    """Bid until every row owns a column; `short` are the prices once more, in the precision of the scan."""
    n, width = work.shape
    infinity = work.dtype.type(np.inf)
    low = np.empty(2 * LANES, work.dtype)  # per lane: the least value, then the second least
    fold = np.empty(2 * QUARTER, work.dtype)
    queue = np.arange(n)
    owner[:] = -1
    head, waiting = 0, n
    while waiting > 0:
        i = queue[head]
        head = head + 1 if head + 1 < n else 0
        waiting -= 1
        row = work[i]
        for lane in range(LANES):
            low[lane] = row[lane] + short[lane]
            low[LANES + lane] = infinity
        for block in range(1, width // LANES):
            for lane in range(LANES):
                value = row[block * LANES + lane] + short[block * LANES + lane]
                least = low[lane]
                low[lane] = min(least, value)
                low[LANES + lane] = min(low[LANES + lane], max(least, value))
        for k in range(QUARTER):
            a, b, c, d = low[k], low[k + QUARTER], low[k + 2 * QUARTER], low[k + 3 * QUARTER]
            ab, cd = min(a, b), min(c, d)
            fold[k] = min(ab, cd)
            losers = min(max(a, b), max(c, d), max(ab, cd))
            s = LANES + k
            fold[QUARTER + k] = min(losers, low[s], low[s + QUARTER], low[s + 2 * QUARTER], low[s + 3 * QUARTER])
        first, second, lane = infinity, infinity, 0
        for k in range(QUARTER):
            if fold[k] < first:
                second = min(first, fold[QUARTER + k])
                first = fold[k]
                lane = k
            else:
                second = min(second, fold[k])
        while low[lane] != first:
            lane += QUARTER
        j = lane
        while row[j] + short[j] != first:
            j += LANES
        prices[j] += np.float64(second) - np.float64(first) + epsilon
        short[j] = prices[j]
        if owner[j] >= 0:
            tail = head + waiting
            queue[tail if tail < n else tail - n] = owner[j]
            waiting += 1
        owner[j] = i


@numba.njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def solve(cost: Any, work: Any, tolerance: Any) -> Any:
    """Auction on `cost` `[n, n]` in the precision of `work` `[n, multiple of LANES]`, which is overwritten.

    Gives the column of every row, the prices, the certified mean gap, and the gap that was asked for, which is NaN
    where the cost is not finite.
    """
    n, width = work.shape
    chosen = np.arange(n)
    means = np.zeros(n)
    for i in range(n):
        for j in range(n):
            means[j] += cost[i, j]
    means /= n
    if not np.isfinite(means.sum()):
        return chosen, means, np.nan, np.nan
    # The work matrix is (cost_ij - means_j - rows_i) / scale: at least 0, with a 0 in every row and a mean of 1. Small
    # entries keep their digits in float32, however large the others are.
    rows = _row_minima(cost, -means)
    scale = -rows.mean()
    resolution = 1e-15 * (np.abs(means).mean() + np.abs(rows).mean()) + 1e-300
    if n == 1 or scale <= resolution:
        return chosen, -means, max(scale, 0.0), resolution  # every permutation costs the same
    unit = 1 / scale
    for i in range(n):
        for j in range(n):
            work[i, j] = (cost[i, j] - means[j] - rows[i]) * unit
        work[i, n:] = np.inf
    prices = np.zeros(n)
    short = np.zeros(width, work.dtype)
    owner = np.empty(n, np.int64)
    epsilon = START
    while True:
        _phase(work, prices, short, owner, epsilon)
        excess = 0.0  # over the bound that the starting prices give; epsilon more than the optimum's at most
        for j in range(n):
            excess += work[owner[j], j]
        excess /= n
        target = max(tolerance * (excess - epsilon), FLOOR)
        if excess == 0.0:
            prices[:] = 0.0  # that bound is reached, so these are the prices that prove it
        if epsilon <= target or excess == 0.0:
            break
        epsilon = max(epsilon / SHRINK, target)
    prices = scale * prices - means
    minima = _row_minima(cost, prices)
    gap = 0.0
    for j in range(n):
        chosen[owner[j]] = j
        gap += cost[owner[j], j] + prices[j] - minima[owner[j]]
    return chosen, prices, gap / n, scale * target + resolution
