"""Times in inverse proportion to a rate of noise."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import require
from pushforward.paths import LinearRate

__all__ = ["InverseRate"]


@dataclass(frozen=True)
class InverseRate:
    r"""Times drawn in proportion to 1 / beta: what an error of a drift costs in likelihood, by Girsanov's theorem.

    .. math:: p(t) = \frac{1}{Z \beta_t}, \qquad \beta_{t(q)} = \beta_a^{1 - q} \beta_b^q, \qquad
              Z = \frac{\log \beta_b - \log \beta_a}{\beta_1 - \beta_0} \qquad \text{on } [a, b]

    Where the rate ends at 0 the law piles up there, so that b matters.

    Source: Jo & Hwang, Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion Processes (ICML 2024),
        https://arxiv.org/abs/2310.07216.

    Args:
        rate: beta; that of the path.
        low: a, in [0, 1).
        high: b, in (a, 1].

    Raises: `InvalidInput` for times out of order, and for a rate that is 0 at one of them.

    Example:
        >>> InverseRate(LinearRate(0.1, 0.0)).quantile(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0010, 0.9684, 0.9990])
    """

    rate: LinearRate = field(default_factory=LinearRate)
    low: float = 1e-3
    high: float = 1.0 - 1e-3

    def __post_init__(self) -> None:
        require(0 <= self.low < self.high <= 1, f"InverseRate needs 0 <= low < high <= 1, got {self.low}, {self.high}")
        require(
            min(self._ends) > 0,
            f"the rate is 0 at {self.low} or {self.high}, where its inverse has no integral; choose times inside",
        )

    @property
    def _ends(self) -> tuple[float, float]:
        slope = self.rate.last - self.rate.first
        return self.rate.first + self.low * slope, self.rate.first + self.high * slope

    def quantile(self, q: Tensor) -> Tensor:
        """Time below which a share `q` of all draws lies."""
        (first, last), whole = self._ends, self.high - self.low
        growth = math.log(last / first)
        # (beta_b / beta_a)^q - 1 over its value at q = 1, which is q for a constant rate
        share = q if growth == 0 else (q * growth).expm1() / math.expm1(growth)
        return (self.low + whole * share).clamp(self.low, self.high)

    def density(self, t: Tensor) -> Tensor:
        """p(t)."""
        (first, last), whole = self._ends, self.high - self.low
        growth = math.log(last / first)
        total = whole / first if growth == 0 else whole * growth / (last - first)
        inside = (t >= self.low) & (t <= self.high)
        return torch.where(inside, 1 / (total * self.rate(t.clamp(self.low, self.high))), 0.0)
