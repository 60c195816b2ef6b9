"""Equal steps."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Path

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform:
    r"""Steps of equal length.

    .. math:: t_i = a + \tfrac iK (b - a)

    Example:
        >>> Uniform()(4)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000], dtype=torch.float64)
    """

    def __call__(self, steps: int, *, span: tuple[float, float] = (0.0, 1.0), path: Path | None = None) -> Tensor:
        """`[steps + 1]` times over `span`; the path does not matter."""
        return torch.linspace(*span, steps + 1, dtype=torch.float64)
