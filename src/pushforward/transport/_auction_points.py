"""The compiled kernels of `point_auction`; importing them imports numba, which is why nothing else here does."""

from typing import Any, no_type_check

import numba
import numpy as np

from pushforward.transport._auction import SHRINK, START

# See `_auction` for `no_type_check` and for loops over whole blocks of lanes.
LEAF = 64
QUARTER = LEAF // 4


# The columns y_j lie in leaves of LEAF neighbours: `twice` are 2 y_j, `[leaves, d, LEAF]`, `short` is price + |y_j|^2,
# `[leaves, LEAF]`. For one x per leaf, its `anchor` `[d, leaves]`, the least short_j - 2 x.y_j of the leaf is known:
# `base`. This minimum is concave in x with slopes -2 y_j out of the leaf's box, centre -+ half in `box`
# `[2, d, leaves]`, so that away from the anchor it falls by no more than the box allows.


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _evaluate(x: Any, leaf: Any, twice: Any, short: Any, values: Any) -> Any:
    """short_j - 2 x.y_j in one leaf."""
    for lane in range(LEAF):
        values[lane] = short[leaf, lane]
    for k in range(x.shape[0]):
        xk = x[k]
        for lane in range(LEAF):
            values[lane] -= xk * twice[leaf, k, lane]


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _move(x: Any, leaf: Any, twice: Any, short: Any, anchor: Any, base: Any, values: Any, fold: Any) -> Any:
    """Move the anchor of a leaf to x."""
    _evaluate(x, leaf, twice, short, values)
    for k in range(QUARTER):
        fold[k] = min(values[k], values[k + QUARTER], values[k + 2 * QUARTER], values[k + 3 * QUARTER])
    least = np.inf
    for k in range(QUARTER):
        least = min(least, fold[k])
    base[leaf] = least
    for k in range(x.shape[0]):
        anchor[k, leaf] = x[k]


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _best(
    x: Any, home: Any, twice: Any, short: Any, box: Any, anchor: Any, base: Any, bound: Any, values: Any, fold: Any
) -> Any:
    """The column where short_j - 2 x.y_j is least, that value and the second; the leaf `home` is searched first."""
    count = bound.shape[0]
    for leaf in range(count):
        bound[leaf] = base[leaf]
    for k in range(x.shape[0]):
        xk = x[k]
        for leaf in range(count):
            step = xk - anchor[k, leaf]
            bound[leaf] -= 2 * (step * box[0, k, leaf] + abs(step) * box[1, k, leaf])
    bound[home] = -np.inf
    first, second, column = np.inf, np.inf, 0
    for turn in range(count + 1):
        leaf = home if turn == 0 else turn - 1
        if bound[leaf] >= second or (turn > 0 and leaf == home):
            continue
        _evaluate(x, leaf, twice, short, values)
        for k in range(QUARTER):
            a, b, c, d = values[k], values[k + QUARTER], values[k + 2 * QUARTER], values[k + 3 * QUARTER]
            ab, cd = min(a, b), min(c, d)
            fold[k] = min(ab, cd)
            fold[QUARTER + k] = min(max(ab, cd), max(a, b), max(c, d))
        lane = -1
        for k in range(QUARTER):
            if fold[k] < first:
                second = min(first, fold[QUARTER + k])
                first = fold[k]
                lane = k
            elif fold[k] < second:
                second = fold[k]
        if lane >= 0:
            while values[lane] != first:
                lane += QUARTER
            column = leaf * LEAF + lane
    return column, first, second


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _phase(
    x: Any, twice: Any, short: Any, box: Any, anchor: Any, base: Any, owner: Any, home: Any, epsilon: Any
) -> Any:
    """Bid until every row owns a column."""
    n, count = x.shape[0], base.shape[0]
    bound, values, fold = np.empty(count), np.empty(LEAF), np.empty(2 * QUARTER)
    queue = np.arange(n)
    owner[:] = -1
    head, waiting = 0, n
    while waiting > 0:
        i = queue[head]
        head = head + 1 if head + 1 < n else 0
        waiting -= 1
        j, first, second = _best(x[i], home[i], twice, short, box, anchor, base, bound, values, fold)
        leaf, lane = j // LEAF, j % LEAF
        home[i] = leaf
        short[leaf, lane] += second - first + epsilon
        _move(x[i], leaf, twice, short, anchor, base, values, fold)
        if owner[j] >= 0:
            tail = head + waiting
            queue[tail if tail < n else tail - n] = owner[j]
            waiting += 1
        owner[j] = i


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _cost(x: Any, twice: Any, owner: Any) -> Any:
    """Mean squared distance between the rows and what they own."""
    total = 0.0
    for j in range(owner.shape[0]):
        if owner[j] >= 0:
            for k in range(x.shape[1]):
                total += (x[owner[j], k] - twice[j // LEAF, k, j % LEAF] / 2) ** 2
    return total / x.shape[0]


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def solve(x: Any, twice: Any, short: Any, box: Any, tolerance: Any, floor: Any) -> Any:
    """Auction between the rows of `x` `[n, d]` and the columns in leaves, whose `short` it raises.

    Gives the row that owns each column, -1 where there is none.
    """
    count, d, _ = twice.shape
    anchor, base, values, fold = np.empty((d, count)), np.empty(count), np.empty(LEAF), np.empty(2 * QUARTER)
    for leaf in range(count):
        _move(x[0], leaf, twice, short, anchor, base, values, fold)
    owner, home = np.empty(count * LEAF, np.int64), np.zeros(x.shape[0], np.int64)
    epsilon = START
    while True:
        _phase(x, twice, short, box, anchor, base, owner, home, epsilon)
        target = max(tolerance * (_cost(x, twice, owner) - epsilon), floor)
        if epsilon <= target:
            return owner
        epsilon = max(epsilon / SHRINK, target)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def bound(x: Any, y: Any, prices: Any) -> Any:
    """The dual value, mean_i min_j (|x_i - y_j|^2 + prices_j) - mean_j prices_j: all pairs, nothing pruned.

    `y` is `[d, multiple of LEAF]`, with infinite prices where there is no column.
    """
    n, d = x.shape
    low, values = np.empty(LEAF), np.empty(LEAF)
    total = 0.0
    for i in range(n):
        low[:] = np.inf
        for block in range(prices.shape[0] // LEAF):
            for lane in range(LEAF):
                values[lane] = prices[block * LEAF + lane]
            for k in range(d):
                xk = x[i, k]
                for lane in range(LEAF):
                    step = xk - y[k, block * LEAF + lane]
                    values[lane] += step * step
            for lane in range(LEAF):
                low[lane] = min(low[lane], values[lane])
        total += low.min() - prices[i]
    return total / n
