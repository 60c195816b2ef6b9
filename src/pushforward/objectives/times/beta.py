"""Beta-distributed times."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import require

__all__ = ["Beta"]


@dataclass(frozen=True)
class Beta:
    r"""Beta-distributed times.

    .. math:: p(t) = t^{a-1} (1-t)^{b-1} / \mathrm B(a, b)

    Quantiles come from SciPy on the CPU: a few microseconds a draw, and one transfer on other devices.

    Args:
        a: Shape > 0; above `b` more times lie near the data.
        b: Shape > 0.
    """

    a: float = 1.0
    b: float = 1.0

    def __post_init__(self) -> None:
        require(self.a > 0 and self.b > 0, f"Beta needs shapes a, b > 0, got {self.a} and {self.b}")

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        from scipy.special import betaincinv

        return torch.as_tensor(betaincinv(self.a, self.b, q.double().cpu().numpy()), dtype=q.dtype, device=q.device)

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        return torch.distributions.Beta(t.new_tensor(self.a), t.new_tensor(self.b)).log_prob(t).exp()
