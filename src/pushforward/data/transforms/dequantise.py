"""Whole numbers to cells of the unit interval."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from pushforward.core import Gen, rand, require

__all__ = ["Dequantise"]


class Dequantise(nn.Module):
    r"""Uniform dequantisation of whole numbers 0, ..., L - 1 into [0, 1).

    .. math:: y = \frac{x + u}{L},\ u \sim U[0, 1)^D, \qquad \log P(x) \ge \mathrm{E}_u \log p(y) - D \log L

    The last term is the volume of a cell, and equals log |dy/dx|: a log-density in model units plus `log_det` is a
    lower bound of the log-probability of the whole numbers. Bits per dimension are that over -D log 2.

    Source: Theis, van den Oord & Bethge, A note on the evaluation of generative models (ICLR 2016),
        https://arxiv.org/abs/1511.01844.

    Args:
        levels: L, how many values a coordinate has; 256 for bytes.

    Example:
        >>> dequantise = Dequantise(levels=4)
        >>> dequantise.inverse(dequantise.forward(torch.tensor([[0, 1, 3]])))
        tensor([[0., 1., 3.]])
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        require(levels >= 2, f"Dequantise has {levels} levels, expected at least 2")
        self.levels = levels

    def forward(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """A uniform draw in the cell of `x`."""
        u = rand(x.shape, x, generator=generator)
        # a few rounding errors of (x + u) away from the cell's edges, so that `inverse` finds the cell it came from
        edge = 2 * self.levels * torch.finfo(u.dtype).eps
        return (x + u.clamp(edge, 1 - edge)) / self.levels

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """The whole number of the cell; what lies outside [0, 1) goes to the nearest."""
        return (y * self.levels).floor().clamp(0, self.levels - 1)

    def log_det(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """-D log L, the same for every row."""
        dtype = torch.result_type(x, 1.0)
        return torch.full((len(x),), -x[0].numel() * math.log(self.levels), dtype=dtype, device=x.device)
