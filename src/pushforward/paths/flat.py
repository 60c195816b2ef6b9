"""Spaces on which points may be added."""

import torch
from torch import Tensor

from pushforward.core import Incompatible, require
from pushforward.spaces import Euclidean

__all__ = ["probe_times", "require_flat_space", "require_inside"]


def require_flat_space(name: str, space: object) -> None:
    """Raise `Incompatible` unless `space` is flat, or a convex part of flat space."""
    require(
        getattr(space, "convex", False) is True,
        f"{name} adds points, which only Euclidean space and its convex parts allow; got {type(space).__name__}",
        Incompatible,
    )


def require_inside(name: str, part: object, space: object, weights: Tensor) -> None:
    """Raise `Incompatible` where the weights `[T, K]` of the anchors would lead out of a convex part of flat space.

    They lead nowhere else if they are a convex combination: none below 0, and of sum 1; nor from a linear subspace.
    """
    if isinstance(space, Euclidean) or getattr(space, "linear", False):
        return
    off = float((weights.sum(1) - 1).abs().max())
    require(
        bool(weights.min() >= -1e-6) and off <= 1e-6,
        f"on {space} the weights of {name} must be a convex combination, and those of {part} are not (some are below "
        "0, or they do not sum to 1); use CondOT(), Polynomial() or Pairwise()",
        Incompatible,
    )


def probe_times() -> Tensor:
    """Where coefficients are looked at."""
    return torch.linspace(0, 1, 33, dtype=torch.float64)
