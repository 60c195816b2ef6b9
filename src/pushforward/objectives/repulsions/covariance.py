"""Features that do not say the same thing twice."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["Covariance"]


@dataclass(frozen=True)
class Covariance:
    r"""Coordinates without correlation, each with some variance.

    .. math:: \frac1D \sum_{k \ne l} C_{kl}^2 + \frac1D \sum_k \max(0,\ v - C_{kk}), \qquad C = \mathrm{Cov}(h)

    Source: Zou et al., DM1: MeanFlow with Dispersive Regularization for 1-Step Robotic Manipulation (2025),
        https://arxiv.org/abs/2510.07865; the first term is that of Diffuse and Disperse,
        https://arxiv.org/abs/2506.09027.

    Args:
        floor: v >= 0, the variance below which a coordinate is pushed to vary.

    Shapes: `h` `[B, D]`; gives a scalar; memory B^2 or D^2, whichever is less.

    Example:
        >>> Covariance()(torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]))
        tensor(0.)
    """

    floor: float = 1.0

    def __post_init__(self) -> None:
        require(0 <= self.floor < math.inf, f"floor is {self.floor}, expected 0 or a positive number")

    def __call__(self, h: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        """The repulsion."""
        h = h.to(torch.promote_types(h.dtype, torch.float32))
        rows, width = h.shape
        if rows < 2:
            return 0.0 * h.sum()
        h = (h - h.mean(0)) / (rows - 1) ** 0.5
        variance = h.square().sum(0)
        if width <= rows:
            matrix = h.T @ h
            off = (matrix - matrix.diagonal().diag()).square().sum()
        else:  # |h^T h| = |h h^T|
            off = ((h @ h.T).square().sum() - variance.square().sum()).clamp_min(0.0)
        return (off + (self.floor - variance).clamp_min(0.0).sum()) / width
