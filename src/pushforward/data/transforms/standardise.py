"""Zero mean and unit spread, coordinate by coordinate."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from pushforward.core import Gen, require

__all__ = ["Standardise"]


class Standardise(nn.Module):
    r"""Subtract a mean, divide by a standard deviation, coordinate by coordinate.

    .. math:: y_i = \frac{x_i - m_i}{s_i}, \qquad \log\Big|\frac{dy}{dx}\Big| = -\sum_i \log s_i

    Args:
        mean: m `[*E]`.
        std: s `[*E]`, positive.

    Example:
        >>> Standardise.fit(torch.tensor([[0.0, 7.0], [2.0, 7.0]])).forward(torch.tensor([[4.0, 7.0]]))
        tensor([[3., 0.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Float[Tensor, "*e"], std: Float[Tensor, "*e"]) -> None:
        super().__init__()
        require(bool((std > 0).all()), "Standardise needs a positive std in every coordinate; use Standardise.fit")
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def fit(cls, x: Shaped[Tensor, "n *e"]) -> "Standardise":
        """Mean and standard deviation (divisor n) of the rows; constant coordinates keep their unit, std 1."""
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        exact = x.double()
        constant = (x == x[0]).all(0)  # asked of the values: the computed spread of a constant is not always zero
        return cls(exact.mean(0).to(dtype), torch.where(constant, 1.0, exact.std(0, correction=0)).to(dtype))

    def forward(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """`(x - mean) / std`."""
        return (x - self.mean) / self.std

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """`mean + std * y`."""
        return self.mean + self.std * y

    def log_det(self, x: Shaped[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """The same for every row."""
        return -self.std.log().sum().repeat(len(x))
