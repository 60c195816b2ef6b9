"""The doors of transport: costs, weights and numbers as callers have them, or one sentence that says what to give."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["Array", "cost_matrix", "masses", "number", "strength", "tensor"]

Array = Tensor | np.ndarray
"""What is taken for a tensor; answers are tensors."""


def tensor(given: Any, name: str) -> Tensor:
    """An array of real numbers as a tensor, which shares its memory where it can.

    Raises: `InvalidInput` for what is neither.
    """
    if isinstance(given, Tensor):
        return given
    try:
        # from_numpy refuses steps backwards and warns of memory that is read-only; these are copied
        return torch.from_numpy(np.require(given, requirements=["C", "W"]))
    except (TypeError, ValueError):
        raise InvalidInput(
            f"{name} is of type {type(given).__name__}, expected a tensor or an array of real numbers"
        ) from None


def cost_matrix(given: Any, who: str) -> Tensor:
    """A cost `[n, m]` with rows and columns."""
    cost = tensor(given, "the cost")
    require(
        cost.ndim == 2,
        f"{who} needs one cost of shape [n, m], got {list(cost.shape)}; solve the matrices of a batch one by one",
    )
    require(cost.numel() > 0, f"{who} needs rows and columns, got a cost of shape {list(cost.shape)}")
    return cost


def masses(given: Any, size: int, name: str) -> Tensor:
    """Weights `[size]` in float64, on their own device; None are 1 / size each."""
    if given is None:
        return torch.full((size,), 1 / size, dtype=torch.float64)
    weights = tensor(given, name).detach()
    require(
        list(weights.shape) == [size],
        f"{name} has shape {list(weights.shape)}, expected [{size}]: one weight for each of the cost's "
        + ("rows" if name == "a" else "columns"),
    )
    weights = weights.double()
    good = bool(torch.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0)
    require(good, f"{name} has weights that are negative, not finite, or all 0; give masses")
    return weights


def number(given: Any, name: str, hint: str = "") -> float:
    """One number, which may be a tensor or an array without axes."""
    shape = getattr(given, "shape", ())
    try:
        if len(shape) == 0 and not isinstance(given, str):
            return float(given)
    except (TypeError, ValueError):
        pass
    what = f"of shape {list(shape)}" if len(shape) else f"{given!r}"
    raise InvalidInput(f"{name} is {what}, expected one number{hint}")


def strength(given: Any, cost: Tensor) -> float:
    """An epsilon."""
    hint = "; of two clouds x and y give their cost, `squared_euclidean(x, y)`, before it, or call point_entropic_ot"
    epsilon = number(given, "epsilon", hint)
    require(not epsilon <= 0, f"epsilon is {epsilon}, expected a positive number in units of the cost")
    # one that is not finite may be a share of a mean cost that is not: the sentence about the cost is the better one
    require(
        math.isfinite(epsilon) or not bool(torch.isfinite(cost).all()),
        f"epsilon is {epsilon}, expected a finite number; for ever larger ones the plan becomes the product of weights",
    )
    return epsilon
