"""Noise levels of a stochastic flow that have a name."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import AffinePath, require
from pushforward.fields.ends import require_affine

__all__ = ["Memoryless", "PowerLaw"]


@dataclass(frozen=True)
class Memoryless:
    r"""The level at which the data end of a stochastic flow forgets its noise: that of the diffusion run backwards.

    .. math:: \epsilon_t = c\, \frac{\sigma_t W_t}{\alpha_t}, \qquad W = \alpha'\sigma - \alpha\sigma'
              \qquad \text{(CondOT: } g^2 = 2\epsilon = 2c\,\tfrac{1-t}t\text{)}

    With c = 1 the states at two times are jointly those of the path itself: x(0) and x(1) are independent, which
    fine-tuning to a reward needs. In general (derived, for Gaussian data of variance S: the correlation of two times is
    :math:`\exp(-\int \epsilon / C)` with :math:`C = \alpha^2 S + \sigma^2`)

    .. math:: \mathrm{corr}\big(x(t_0), x(1)\big) = \big(\alpha_{t_0} \sqrt{S / C_{t_0}}\big)^c

    which vanishes as t_0 -> 0 for every c > 0, but slowly for a small one. Flow-GRPO's a is :math:`c = a^2 / 2`.

    Source: Domingo-Enrich et al., Adjoint Matching (ICLR 2025), https://arxiv.org/abs/2409.08861, the memoryless
        schedule; Liu et al., Flow-GRPO (2025), https://arxiv.org/abs/2505.05470, for a (0.7 there).

    Args:
        path: Affine, alpha_t > 0 after t = 0.
        earliest: alpha in the denominator is never less than at this time, in (0, 1): eps diverges at t = 0. Explicit
            steps blow up unless the first one ends no later; 1 / steps is usual.
        strength: c, > 0.

    Shapes: times `[B]` to `[B]`, an `eps` of `FlowSDE`.
    Raises: `Incompatible` for a path that is not affine or has latent noise, `InvalidInput` for numbers out of range.

    Example:
        >>> Memoryless(pf.paths.Affine(), earliest=0.1)(torch.tensor([0.0, 0.25, 1.0]))
        tensor([10.,  3.,  0.])
    """

    path: AffinePath
    earliest: float
    strength: float = 1.0

    def __post_init__(self) -> None:
        require_affine(self.path, "Memoryless")
        require(0 < self.earliest < 1, f"earliest is {self.earliest}, expected a time in (0, 1), such as 1 / steps")
        require(0 < self.strength < math.inf, f"strength is {self.strength}, expected a number > 0")

    def __call__(self, t: Tensor) -> Tensor:
        """eps at times `t`."""
        c = self.path.coeffs(t)
        least = self.path.coeffs(torch.full_like(t, self.earliest)).alpha
        return self.strength * c.sigma * c.wronskian / torch.maximum(c.alpha, least)


@dataclass(frozen=True)
class PowerLaw:
    r"""Noise early and none at the end: :math:`g_t = \sqrt{2 \epsilon_t} = c\,(1 - t)^p`.

    p = 2 is the square of rollover budget forcing, 1 the linear and 0 the constant level it was compared with.

    Source: Kim et al., Inference-Time Scaling for Flow Models via Stochastic Generation and Rollover Budget Forcing
        (2025), https://arxiv.org/abs/2503.19385, where c = 3, on a variance-preserving path (`converted`).

    Args:
        scale: c, >= 0, in state units per square root of time.
        power: p, >= 0; at least 1/2 where the score diverges at t = 1, as on data without width.

    Shapes: times `[B]` to `[B]`, an `eps` of `FlowSDE`.
    Raises: `InvalidInput` for numbers out of range.

    Example:
        >>> PowerLaw()(torch.tensor([0.0, 0.5, 1.0]))
        tensor([4.5000, 0.2812, 0.0000])
    """

    scale: float = 3.0
    power: float = 2.0

    def __post_init__(self) -> None:
        for name in ("scale", "power"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name} is {value}, expected a finite number >= 0")

    def __call__(self, t: Tensor) -> Tensor:
        """eps at times `t`."""
        return 0.5 * (self.scale * (1.0 - t) ** self.power) ** 2
