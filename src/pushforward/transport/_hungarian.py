"""The compiled kernel of `alignment`: many small assignment problems. Importing it imports numba."""

from typing import Any, no_type_check

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
@no_type_check
def solve(cost: Any, found: Any) -> None:
    """Column `found[k, i]` of row i in the least-cost matching of every `cost[k]`, `[n, n]`, finite.

    Shortest augmenting paths, O(n^3): rows enter one by one, u and v are the dual prices of rows and columns, and
    index 0 stands for the row that waits.
    """
    problems, n = cost.shape[0], cost.shape[1]
    u, v, least = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1)
    row, before = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    seen = np.empty(n + 1, np.bool_)
    for k in range(problems):
        u[:], v[:], row[:] = 0.0, 0.0, 0
        for i in range(1, n + 1):
            row[0], j = i, 0
            least[:], seen[:] = np.inf, False
            while True:
                seen[j] = True
                here, step, best = row[j], np.inf, 0
                for c in range(1, n + 1):
                    if not seen[c]:
                        slack = cost[k, here - 1, c - 1] - u[here] - v[c]
                        if slack < least[c]:
                            least[c], before[c] = slack, j
                        if least[c] < step:
                            step, best = least[c], c
                for c in range(n + 1):
                    if seen[c]:
                        u[row[c]] += step
                        v[c] -= step
                    else:
                        least[c] -= step
                j = best
                if row[j] == 0:
                    break
            while j != 0:
                row[j] = row[before[j]]
                j = before[j]
        for c in range(1, n + 1):
            found[k, row[c] - 1] = c - 1
