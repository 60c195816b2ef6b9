"""The simplex to flat space."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, require

__all__ = ["SimplexLogRatio"]


class SimplexLogRatio(nn.Module):
    r"""Additive log-ratios of probability vectors, with one coordinate less.

    .. math:: y_i = \log\frac{x_i}{x_K}, \quad i < K, \qquad
              \log\Big|\frac{dy}{d(x_1, \dots, x_{K-1})}\Big| = -\sum_{i \le K} \log x_i

    The density is against dx_1 ... dx_{K-1}; against the volume of the plane (`spaces.Simplex`) it is smaller by
    sqrt(K). Standardise afterwards.

    Source: Aitchison, The Statistical Analysis of Compositional Data, J. R. Stat. Soc. B 44 (1982),
        https://doi.org/10.1111/j.2517-6161.1982.tb01195.x.

    Args:
        eps: In [0, 1/2): x is mixed with eps of the uniform vector first, which keeps exact zeros finite; samples
            beyond come back to the faces.

    Shapes: `[B, ..., K]` to `[B, ..., K - 1]`, K >= 2.
    Raises: `InvalidInput` for another eps.

    Example:
        >>> ratios = SimplexLogRatio()
        >>> ratios.forward(torch.tensor([[0.25, 0.5, 0.25]]))
        tensor([[0.0000, 0.6931]])
        >>> ratios.inverse(torch.tensor([[0.0000, 0.6931]]))
        tensor([[0.2500, 0.5000, 0.2500]])
    """

    def __init__(self, eps: float = 0.0) -> None:
        super().__init__()
        require(0 <= eps < 0.5, f"SimplexLogRatio has eps {eps}, expected a number in [0, 0.5)")
        self.eps = eps

    def model_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One coordinate less."""
        *before, last = shape or (0,)
        require(last >= 2, f"probability vectors are [B, ..., K], K >= 2; got events of shape {list(shape)}")
        return (*before, last - 1)

    def _mixed(self, x: Tensor) -> Tensor:
        self.model_shape(tuple(x.shape[1:]))
        return (1 - self.eps) * x + self.eps / x.shape[-1]

    def forward(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *f"]:
        """Log-ratios to the last coordinate."""
        logs = self._mixed(x).log()
        return logs[..., :-1] - logs[..., -1:]

    def inverse(self, y: Float[Tensor, "b *f"]) -> Float[Tensor, "b *e"]:
        """Back to probability vectors."""
        x = torch.cat([y, torch.zeros_like(y[..., :1])], -1).softmax(-1)
        if self.eps == 0:
            return x
        x = ((x - self.eps / x.shape[-1]) / (1 - self.eps)).clamp_min(0)
        return x / x.sum(-1, keepdim=True)

    def log_det(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Largest at the faces."""
        free = x.shape[-1] - 1
        scale = torch.log1p(torch.as_tensor(-self.eps, dtype=x.dtype, device=x.device))
        return (free * scale - self._mixed(x).log().sum(-1))[..., None].flatten(1).sum(1)
