"""The positive half line to the real line."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, require

__all__ = ["Positive"]


class Positive(nn.Module):
    r"""Logarithm of positive data, or the inverse of softplus, which leaves large values as they are.

    .. math:: y = \log(x + \epsilon), \qquad \log\Big|\frac{dy}{dx}\Big| = -\sum_i \log(x_i + \epsilon)
              \qquad\text{or}\qquad
              y = \log(e^{x + \epsilon} - 1), \qquad \log\Big|\frac{dy}{dx}\Big| = -\sum_i \log(1 - e^{-x_i - \epsilon})

    Straight lines in y are bent in x: geometric means with the logarithm. Data without mass at 0 need no
    :math:`\epsilon`; exact zeros need one, and samples below it come back as 0. Standardise afterwards.

    Args:
        softplus: Whether softplus is undone, for data whose mass reaches 0 smoothly.
        eps: :math:`\epsilon \ge 0`, in data units.

    Raises: `InvalidInput` for a negative or infinite eps. Data below -eps give NaN.

    Example:
        >>> Positive().forward(torch.tensor([[1.0, 10.0]]))
        tensor([[0.0000, 2.3026]])
        >>> Positive(softplus=True).forward(torch.tensor([[1.0, 10.0]]))
        tensor([[ 0.5413, 10.0000]])
    """

    def __init__(self, softplus: bool = False, eps: float = 0.0) -> None:
        super().__init__()
        require(0 <= eps < math.inf, f"Positive has eps {eps}, expected a finite number, 0 or more")
        self.softplus, self.eps = softplus, eps

    def forward(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """To the real line."""
        s = x + self.eps
        # x + log(1 - e^-x): e^x would overflow at 89 in float32
        return s + torch.log(-torch.expm1(-s)) if self.softplus else s.log()

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """Back to x >= 0."""
        s = torch.logaddexp(y, torch.zeros_like(y)) if self.softplus else y.exp()
        return (s - self.eps).clamp_min(0)

    def log_det(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Largest near 0."""
        s = x + self.eps
        rows = torch.log(-torch.expm1(-s)) if self.softplus else s.log()
        return -rows.flatten(1).sum(1)
