"""The Gumbel-softmax law on the simplex."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require

__all__ = ["Concrete"]


@dataclass(frozen=True)
class Concrete:
    r"""Softmax of independent Gumbel draws over a temperature: noise of a `Simplex` that favours no vertex.

    .. math:: x = \mathrm{softmax}(g / \tau), \qquad
              p(x) = (K - 1)!\, \tau^{K-1}\, \frac{\prod_k x_k^{-\tau - 1}}{\big(\sum_k x_k^{-\tau}\big)^K}

    against dx_1 ... dx_{K-1}. It gathers at the vertices as the temperature goes to 0 and in the centre as it grows.

    Source: Maddison, Mnih & Teh, The Concrete Distribution (ICLR 2017), https://arxiv.org/abs/1611.00712; Jang, Gu &
        Poole, Categorical Reparameterization with Gumbel-Softmax (ICLR 2017), https://arxiv.org/abs/1611.01144.

    Args:
        temperature: tau > 0.

    Raises: `InvalidInput` for temperatures that are not positive and finite.

    Example:
        >>> Concrete(1.0).log_prob(torch.full((1, 3), 1 / 3)).exp()  # uniform
        tensor([2.])
    """

    temperature: float

    def __post_init__(self) -> None:
        require(0 < self.temperature < math.inf, f"Concrete.temperature is {self.temperature}, expected a number > 0")

    def draw(self, shaped: Tensor, *, generator: Gen = None) -> Tensor:
        """Draws shaped like `shaped`, the last axis a point."""
        e = -torch.log1p(-rand(shaped.shape, shaped, generator=generator))
        return torch.softmax(-e.clamp_min(torch.finfo(e.dtype).tiny).log() / self.temperature, -1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of every point, `[...]`, against all its coordinates but one."""
        k, log_x = x.shape[-1], x.log()
        constant = math.lgamma(k) + (k - 1) * math.log(self.temperature)
        return constant - (self.temperature + 1) * log_x.sum(-1) - k * (-self.temperature * log_x).logsumexp(-1)
