"""A box to the reals."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, require
from pushforward.data.transforms.walls import keep_walls

__all__ = ["Bounded"]


class Bounded(nn.Module):
    r"""`Logit` between any two walls, coordinate by coordinate.

    .. math:: u = \epsilon + (1 - 2\epsilon)\frac{x - \ell}{h - \ell}, \qquad y = \log\frac{u}{1 - u}, \qquad
              \log\Big|\frac{dy}{dx}\Big| = \sum_i \log\frac{1 - 2\epsilon}{u_i (1 - u_i)(h_i - \ell_i)}

    The uniform law becomes the logistic one, whose tails are light. Mass at a wall becomes a second mode far out, at
    :math:`\pm \log(1 / \epsilon)`, and a heavy tail between: `MirrorBox` keeps the tails in hand, and a path on
    `spaces.Box` has none. Standardise afterwards.

    Args:
        low: Lower wall, a number or `[*E]`.
        high: Upper wall.
        eps: Distance of u from 0 and 1, in (0, 1/2), so that data at a wall stay finite.

    Raises: `InvalidInput` for walls that are not finite or not in order, and for another eps.

    Example:
        >>> Bounded(0.0, 10.0).forward(torch.tensor([[1.0, 5.0]]))
        tensor([[-2.1972,  0.0000]])
    """

    low: float | Tensor
    high: float | Tensor

    def __init__(self, low: float | Tensor, high: float | Tensor, eps: float = 1e-6) -> None:
        super().__init__()
        require(0 < eps < 0.5, f"Bounded has eps {eps}, expected a number in (0, 0.5)")
        keep_walls(self, low, high)
        self.eps = eps

    def _shares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # each from its own wall: 1 - u would lose all digits near the upper one
        scale = (1 - 2 * self.eps) / (self.high - self.low)
        return self.eps + scale * (x - self.low), self.eps + scale * (self.high - x)

    def forward(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """`log u - log(1 - u)`."""
        lower, upper = self._shares(x)
        return lower.log() - upper.log()

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """Back between the walls; what lies beyond goes to them."""
        scale = (self.high - self.low) / (1 - 2 * self.eps)
        x = torch.where(
            y < 0, self.low + scale * (y.sigmoid() - self.eps), self.high - scale * ((-y).sigmoid() - self.eps)
        )
        low, high = (torch.as_tensor(wall, dtype=y.dtype, device=y.device) for wall in (self.low, self.high))
        return x.to(y.dtype).clamp(low, high)

    def log_det(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Largest at the walls."""
        lower, upper = self._shares(x)
        width = torch.as_tensor(self.high - self.low, dtype=x.dtype, device=x.device)
        return (math.log1p(-2 * self.eps) - lower.log() - upper.log() - width.log()).flatten(1).sum(1)
