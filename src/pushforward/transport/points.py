"""Who goes to whom among many points in few dimensions, without a matrix."""

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from pushforward.core import require
from pushforward.transport.assignment import Assignment

__all__ = ["point_auction"]


@torch.no_grad()
def point_auction(x: Float[Tensor, "n d"], y: Float[Tensor, "m e"], *, tolerance: float = 1e-8) -> Assignment:
    r"""Least-cost matching of two point sets under :math:`|x_i - y_j|^2`, from their coordinates.

    The auction of `transport.auction` in O(n d) memory and float64. A bid looks for the two least of

    .. math:: q_j - 2\,x_i \cdot y_j, \qquad q_j = |y_j|^2 + p_j,

    with the points y in leaves of 64 neighbours (a balanced k-d tree's). Over one leaf the minimum m(x) of these values
    is concave, with slopes -2 y out of the leaf's box; once it is known at an anchor a,

    .. math:: m(x) \ge m(a) - 2\,(x - a) \cdot c - 2 \sum_k |x - a|_k\,h_k

    for a box of centre c and half-widths h. Near the optimum q is convex in y, with x as its slope: a leaf whose anchor
    is the last x that bid there loses only the second order, and all but some ten leaves are passed over. (With a
    bound from the box's distance and its least price seven times as many had to be searched.)

    The gap is certified in the end from all pairs. It is at most `tolerance` times the optimum between the centred
    sets; where that is nothing beside their spread, 1e-12 of the spread.

    On 10,000 against 10,000 points in the plane POT's network simplex takes about 20 times as long. Below some 3000
    points the auction on the matrix is faster, and from some 6 dimensions on boxes bound nothing.

    Source: Bertsekas, Auction algorithms for network flow problems: a tutorial introduction (1992),
        https://doi.org/10.1007/BF00247653; the search over leaves: derived here.

    Args:
        x: `[n, d]`.
        y: `[n, d]`.
        tolerance: Relative duality gap, in `[1e-9, 1]`.

    Returns: permutation, prices, gap and target in the units of the squared distance, as `auction` gives them.
    Raises: `InvalidInput` for sets of different shapes, points that are not finite, and a tolerance out of range.

    Example:
        >>> point_auction(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[4.0, 0.0], [1.0, 1.0]])).permutation
        tensor([1, 0])
    """
    from pushforward.transport import _auction_points as kernel

    require(
        x.shape == y.shape and x.numel() > 0,
        f"points of shapes {list(x.shape)} and {list(y.shape)} cannot be matched; give as many of each, in one space",
    )
    require(1e-9 <= tolerance <= 1, f"tolerance is {tolerance}, expected within [1e-9, 1]")
    a, b = (z.double().cpu().numpy() for z in (x, y))
    require(bool(np.isfinite(a).all() and np.isfinite(b).all()), "the points have entries that are not finite")
    n, d = a.shape
    shift = b.mean(0) - a.mean(0)
    a, b = a - a.mean(0), b - b.mean(0)
    spread = np.square(a).sum(1).mean(), np.square(b).sum(1).mean()
    unit = float(2 * np.sqrt(spread[0] * spread[1]))  # about the mean of 2 x.y over pairs that suit each other
    order = _leaf_order(b, kernel.LEAF)
    size = -(-n // kernel.LEAF) * kernel.LEAF
    filled = np.concatenate([b[order], np.broadcast_to(b[order[-1]], (size - n, d))])
    prices = np.full(size, np.inf)
    prices[:n] = -np.square(filled[:n]).sum(1)
    columns, floor = np.arange(n), 1e-12
    if unit > 0.0:
        scale = np.sqrt(unit)
        rows, twice = a / scale, np.ascontiguousarray((2 / scale * filled).reshape(-1, kernel.LEAF, d).swapaxes(1, 2))
        low, high = twice.min(2).T / 2, twice.max(2).T / 2
        short = np.where(np.arange(size) < n, 0.0, np.inf).reshape(-1, kernel.LEAF)
        box = np.stack([low + high, (high - low) * (1 + 1e-14)]) / 2
        # an epsilon below the rounding of the prices would not raise them
        reach = float(np.sqrt(np.square(rows).sum(1).max() * np.square(twice).sum(1).max()))
        floor = max(floor, 1e-13 * reach)
        owner = kernel.solve(rows, twice, short, box, tolerance, floor)
        prices[:n] += unit * short.ravel()[:n]
        columns = owner[:n]
    chosen = np.empty(n, np.int64)
    chosen[columns] = order
    given = np.empty(n)
    given[order] = prices[:n]
    value = float(np.square(a - b[chosen]).sum(1).mean())
    gap = value - float(kernel.bound(a, np.ascontiguousarray(filled.T), prices))
    target = max(tolerance * value, floor * unit) + 1e-15 * float(spread[0] + spread[1])
    # |a - b|^2 is |x - y|^2 less a part of x alone, a part of y alone, and a constant
    given -= 2 * b @ shift
    device = x.device
    return Assignment(torch.from_numpy(chosen).to(device), torch.from_numpy(given).to(device), max(gap, 0.0), target)


def _leaf_order(y: Shaped[np.ndarray, "n d"], leaf: int) -> Shaped[np.ndarray, " n"]:
    """Indices in the order of the leaves of a balanced k-d tree, all of `leaf` points but the last."""
    order = np.empty(len(y), np.int64)
    pending = [(np.arange(len(y)), 0)]
    while pending:
        part, start = pending.pop()
        count = -(-len(part) // leaf)
        if count <= 1:
            order[start : start + len(part)] = part
            continue
        points = y[part]
        axis = int(np.ptp(points, axis=0).argmax())
        cut = count // 2 * leaf
        split = part[np.argpartition(points[:, axis], cut)]
        pending += [(split[:cut], start), (split[cut:], start + cut)]
    return order
