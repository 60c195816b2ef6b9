"""The unit interval to the real line."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, require

__all__ = ["Logit"]


class Logit(nn.Module):
    r"""Logit of data in [0, 1], drawn in from the ends so that 0 and 1 stay finite.

    .. math:: s = \epsilon + (1 - 2\epsilon)\,x, \qquad y = \log\frac{s}{1 - s}, \qquad
              \log\Big|\frac{dy}{dx}\Big| = \sum_i \log\frac{1 - 2\epsilon}{s_i (1 - s_i)}

    Source: Dinh, Sohl-Dickstein & Bengio, Density estimation using Real NVP, https://arxiv.org/abs/1605.08803 (there
        s = eps + (1 - eps) x, which leaves 1 infinite; the symmetric form is Papamakarios, Pavlakou & Murray, Masked
        Autoregressive Flow, https://arxiv.org/abs/1705.07057).

    Args:
        eps: Distance of s from 0 and 1, in (0, 1/2). Data outside [-eps/(1-2 eps), 1+eps/(1-2 eps)] give NaN.

    Example:
        >>> Logit(eps=0.1).forward(torch.tensor([[0.0, 0.5, 1.0]]))
        tensor([[-2.1972,  0.0000,  2.1972]])
    """

    def __init__(self, eps: float = 1e-6) -> None:
        super().__init__()
        require(0 < eps < 0.5, f"Logit has eps {eps}, expected a number in (0, 0.5)")
        self.eps = eps

    def _ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # 1 - s from 1 - x: subtracting s would lose all digits near the upper end
        width = 1 - 2 * self.eps
        return self.eps + width * x, self.eps + width * (1 - x)

    def forward(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """`log s - log(1 - s)`."""
        lower, upper = self._ends(x)
        return lower.log() - upper.log()

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """Back to [0, 1]; what lies beyond its ends goes to them."""
        return ((y.sigmoid() - self.eps) / (1 - 2 * self.eps)).clamp(0, 1)

    def log_det(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Largest at the ends of the interval."""
        lower, upper = self._ends(x)
        return (math.log1p(-2 * self.eps) - lower.log() - upper.log()).flatten(1).sum(1)
