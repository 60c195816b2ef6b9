"""What is known about the range of the data."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from pushforward.core import Gen, require

__all__ = ["Clip"]


class Clip(nn.Module):
    r"""Nothing on the way in; on the way back, samples are brought into the range that all data keep.

    .. math:: y = x, \qquad x = \min(\max(y, a), b)

    For data that lie in [a, b], such as pixels: a flow on R^d puts a little mass beyond.

    Args:
        low: a, in data units.
        high: b > a.

    Example:
        >>> Clip(0.0, 16.0).inverse(torch.tensor([[-0.5, 7.0, 16.5]]))
        tensor([[ 0.,  7., 16.]])
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        require(
            low < high and math.isfinite(low) and math.isfinite(high),
            f"Clip has the range {low} to {high}, expected two finite numbers, the smaller one first",
        )
        self.low, self.high = low, high

    def forward(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Shaped[Tensor, "b *e"]:
        """`x` itself."""
        return x

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """`y`, clipped."""
        return y.clamp(self.low, self.high)

    def log_det(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Zeros."""
        return torch.zeros(len(x), dtype=torch.result_type(x, 1.0), device=x.device)
