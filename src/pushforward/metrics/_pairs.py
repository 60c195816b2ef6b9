"""Euclidean distances between the rows of two sets, whole or block by block."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["blocks", "distance_sum", "distances", "pair_sum"]

_PAIRS = 1 << 23  # distances held at once: 32 MB in float32


_LOW = 16  # dimensions up to which distances come from differences, above from one matrix product


def distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """|x_i - y_j|, differentiable (zero gradient where two points coincide).

    Above 16 dimensions through one matrix product, an order of magnitude faster; both sets are centred first, without
    which the product loses digits far from the origin. Equal points are then apart by rounding, about
    sqrt(machine epsilon) of their norm; below, by exactly 0.
    """
    if x.shape[1] <= _LOW:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    centre = y.detach().mean(0)
    return torch.cdist(x - centre, y - centre, compute_mode="use_mm_for_euclid_dist")


def blocks(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Iterator[tuple[slice, Tensor]]:
    """Consecutive rows of `distances(x, y)`, in O(m) memory: `(which rows, distances [rows, m])`."""
    size = max(1, _PAIRS // len(y))
    for start in range(0, len(x), size):
        rows = slice(start, min(start + size, len(x)))
        yield rows, distances(x[rows], y)


def pair_sum(
    kernel: Callable[[Tensor], Tensor], x: Float[Tensor, "n d"], y: Float[Tensor, "m d"] | None = None
) -> Float[Tensor, ""]:
    """Sum over all pairs of `kernel(|x_i - y_j|)`, or over i != j of `kernel(|x_i - x_j|)` without `y`.

    In float64, because the callers subtract such sums. The diagonal is left out by hand, because a matrix product does
    not give it as 0. Under autograd blocks are computed again in the backward pass, so that its memory is that of one
    block, too.
    """
    other = x if y is None else y

    def one(block: Tensor, start: int) -> Tensor:
        values = kernel(distances(block, other))
        total = values.sum(dtype=torch.float64)
        return total - values.diagonal(start).sum(dtype=torch.float64) if y is None else total

    graph = torch.is_grad_enabled() and (x.requires_grad or other.requires_grad)
    sum_of = partial(checkpoint, one, use_reentrant=False, preserve_rng_state=False) if graph else one
    size = max(1, _PAIRS // len(other))
    return torch.stack([sum_of(x[start : start + size], start) for start in range(0, len(x), size)]).sum()


def distance_sum(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"] | None = None) -> Float[Tensor, ""]:
    """Sum of |x_i - y_j| over all pairs, or over i != j of |x_i - x_j| without `y`; in float64.

    On the CPU, in low dimension and where no derivative is wanted, in one compiled loop that holds no distances.
    """
    wanted = torch.is_grad_enabled() and (x.requires_grad or (y is not None and y.requires_grad))
    if x.device.type != "cpu" or x.shape[1] > _LOW or wanted:
        return pair_sum(lambda r: r, x, y)
    from pushforward.metrics import _fused

    left = np.ascontiguousarray(x.detach().T.numpy())
    if y is None:
        return torch.tensor(2 * _fused.distance_sum(left, left, True), dtype=torch.float64)
    right = np.ascontiguousarray(y.detach().T.numpy())
    return torch.tensor(_fused.distance_sum(left, right, False), dtype=torch.float64)
