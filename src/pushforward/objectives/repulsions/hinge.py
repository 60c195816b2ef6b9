"""Repulsion up to a margin."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.objectives.repulsions.pairs import squares

__all__ = ["Hinge"]


@dataclass(frozen=True)
class Hinge:
    r"""Rows that are nearer than a margin leave each other; beyond it there is no force.

    .. math:: \frac{1}{B (B - 1)} \sum_{i \ne j} \max\Big(0,\ m - \tfrac{1}{\sqrt D} \lVert h_i - h_j \rVert \Big)^2

    Two rows that agree exactly have no direction to leave in, and no gradient.

    Source: Wang & He, Diffuse and Disperse (2025), https://arxiv.org/abs/2506.09027. Differs: distances are root mean
        squares over coordinates.

    Args:
        margin: m > 0.

    Shapes: `h` `[B, D]`; gives a scalar.

    Example:
        >>> Hinge(1.0)(torch.tensor([[0.0], [0.5]])), Hinge(1.0)(torch.tensor([[0.0], [2.0]]))
        (tensor(0.2500), tensor(0.))
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.margin < math.inf, f"margin is {self.margin}, expected a positive number")

    def __call__(self, h: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        """The repulsion."""
        square = squares(h)
        if not len(square):
            return 0.0 * h.sum()
        distance = square.clamp_min(torch.finfo(square.dtype).tiny).sqrt()  # whose slope at 0 is then 0, not infinite
        return (self.margin - distance).clamp_min(0.0).square().mean()
