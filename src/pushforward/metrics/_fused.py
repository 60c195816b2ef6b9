"""The compiled sum of distances; importing it imports numba, which is why nothing else here does."""

from typing import Any, no_type_check

import numba
import numpy as np

__all__ = ["distance_sum"]

# `no_type_check` keeps the annotation checkers of the tests out of what numba compiles.
# Distances of a lane of columns live in one buffer in the nearest cache; plain loops over it become vector
# instructions. What a lane adds up in float32 goes to float64 before rounding shows.
LANE = 256


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
@no_type_check
def distance_sum(x: Any, y: Any, triangle: Any) -> Any:
    """Sum of |x_i - y_j| over all pairs, or over i < j, for coordinates `[d, n]` and `[d, m]`."""
    d, n = x.shape
    m = y.shape[1]
    square = np.empty(LANE, x.dtype)
    total = 0.0
    for i in range(n):
        start = i + 1 if triangle else 0
        while start < m:
            width = min(LANE, m - start)
            lane = x.dtype.type(0)
            if d == 2:
                p, q = x[0, i], x[1, i]
                u, v = y[0, start : start + width], y[1, start : start + width]
                for k in range(width):
                    lane += np.sqrt((p - u[k]) * (p - u[k]) + (q - v[k]) * (q - v[k]))
            else:
                square[:width] = 0
                for axis in range(d):
                    p, u = x[axis, i], y[axis, start : start + width]
                    for k in range(width):
                        square[k] += (p - u[k]) * (p - u[k])
                for k in range(width):
                    lane += np.sqrt(square[k])
            total += lane
            start += width
    return total
