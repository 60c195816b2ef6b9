"""Change of unit by two numbers."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from pushforward.core import Gen, require

__all__ = ["AffineMap"]


class AffineMap(nn.Module):
    r"""The same affine map on every coordinate.

    .. math:: y = a\,x + b, \qquad \log\Big|\frac{dy}{dx}\Big| = D \log |a|

    Args:
        scale: a, not zero.
        shift: b.

    Example: pixels 0..255 to [-1, 1].
        >>> AffineMap(scale=2 / 255, shift=-1.0).forward(torch.tensor([[0, 255]]))
        tensor([[-1.,  1.]])
    """

    def __init__(self, scale: float, shift: float = 0.0) -> None:
        super().__init__()
        require(scale != 0 and math.isfinite(scale), f"AffineMap has scale {scale}, expected a finite number but 0")
        self.scale, self.shift = scale, shift

    def forward(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """`scale * x + shift`."""
        return x * self.scale + self.shift

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """`(y - shift) / scale`."""
        return (y - self.shift) / self.scale

    def log_det(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """The same for every row."""
        dtype = torch.result_type(x, self.scale)
        return torch.full((len(x),), x[0].numel() * math.log(abs(self.scale)), dtype=dtype, device=x.device)
