"""A mixture of normals on the line, and what decodes one."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, categorical, randn, require

__all__ = ["NormalMixture", "NormalMixtures"]

_SCALES = (-5.0, 3.0)  # of log s: below, a component is a spike on one gap; above, it is flat


class NormalMixture(NamedTuple):
    r"""The law of a number: a mixture of normals; log-normal for a positive number whose logarithm it is.

    .. math:: p(z) = \sum_r w_r\, N(z; \mu_r, s_r^2), \qquad
              \mathrm P(Z > z) = \sum_r w_r\, \Phi\Big(\frac{\mu_r - z}{s_r}\Big), \qquad
              \mathrm E[e^{a Z}] = \sum_r w_r\, e^{a \mu_r + a^2 s_r^2 / 2}

    The tail is summed in logarithms, and stays exact where it is below what a float can tell from 0.

    Shapes: `log_weights`, `means`, `log_scales` `[*B, R]`, numbers `[*B]`.

    Example:
        >>> law = NormalMixture(torch.zeros(1), torch.zeros(1), torch.zeros(1))
        >>> law.log_survival(torch.tensor(0.0)).exp()
        tensor(0.5000)
    """

    log_weights: Float[Tensor, "*b r"]
    means: Float[Tensor, "*b r"]
    log_scales: Float[Tensor, "*b r"]

    def _standard(self, z: Tensor) -> Tensor:
        return (z[..., None] - self.means) * (-self.log_scales).exp()

    @property
    def mean(self) -> Float[Tensor, "*b"]:
        """Its mean."""
        return (self.log_weights.exp() * self.means).sum(-1)

    def log_prob(self, z: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Log-density."""
        normal = -0.5 * self._standard(z).square() - self.log_scales - 0.5 * math.log(2 * math.pi)
        return (self.log_weights + normal).logsumexp(-1)

    def log_survival(self, z: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """log P(Z > z)."""
        return (self.log_weights + torch.special.log_ndtr(-self._standard(z))).logsumexp(-1)

    def log_moment(self, a: float | Tensor) -> Float[Tensor, "*b"]:
        """log E[exp(a Z)]: with a the scale of standardised logarithms, that of the mean waiting time."""
        return (self.log_weights + a * self.means + 0.5 * (a * self.log_scales.exp()).square()).logsumexp(-1)

    def sample(self, *, generator: Gen = None) -> Float[Tensor, "*b"]:
        """One draw for every row."""
        which = categorical(self.log_weights.exp(), generator=generator)[..., None]
        noise = randn(which.shape, self.means, generator=generator)
        mean, log_scale = (part.expand(which.shape[:-1] + part.shape[-1:]) for part in (self.means, self.log_scales))
        return (mean.gather(-1, which) + log_scale.gather(-1, which).exp() * noise)[..., 0]


@dataclass(frozen=True)
class NormalMixtures:
    r"""Decodes a network's outputs to a `NormalMixture`: weights by softmax, means as they are, scales by exp.

    The logarithms of the scales are held in [-5, 3] and let the gradient pass.

    Args:
        components: R >= 1.

    Shapes: outputs `[*B, 3 R]`.

    Example:
        >>> NormalMixtures(2).law(torch.zeros(5, 6)).log_weights.exp()[0]
        tensor([0.5000, 0.5000])
    """

    components: int = 16

    def __post_init__(self) -> None:
        require(self.components >= 1, f"NormalMixtures.components is {self.components}, expected at least 1")

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for one law."""
        return 3 * self.components

    def law(self, out: Float[Tensor, "*b outputs"]) -> NormalMixture:
        """What the outputs say."""
        weights, means, scales = out.chunk(3, -1)
        held = scales + (scales.clamp(*_SCALES) - scales).detach()
        return NormalMixture(weights.log_softmax(-1), means, held)
