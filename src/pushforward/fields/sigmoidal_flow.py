"""A one-dimensional flow made of sigmoids, and what decodes one."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from pushforward.core import Gen, rand, require

__all__ = ["SigmoidalFlow", "SigmoidalFlows"]

_REACH = 1e4  # where a quantile is looked for at first, in units of the number
_HALVINGS = 80  # of that interval: beyond the precision of a float64


class SigmoidalFlow(NamedTuple):
    r"""The law of a number that increasing layers of sigmoids make uniform.

    .. math:: y_0 = z, \qquad
              y_l = \mathrm{logit} \sum_k w_{lk}\, \mathrm{sigmoid}\Big(\frac{y_{l-1} - m_{lk}}{s_{lk}}\Big), \qquad
              \mathrm P(Z \le z) = \mathrm{sigmoid}(y_D), \qquad
              \log p(z) = \log\frac{dy_D}{dz} + \log\mathrm{sigmoid}(y_D) + \log\mathrm{sigmoid}(-y_D)

    One layer is a mixture of logistic laws. Both tails are carried in logarithms, so nothing is lost at either end.
    Draws invert the flow by bisection.

    Shapes: `log_weights`, `centres`, `log_scales` `[*B, D, K]`, numbers `[*B]`.

    Example:
        >>> law = SigmoidalFlow(*torch.zeros(3, 1, 1))
        >>> law.log_survival(torch.tensor(0.0)).exp()
        tensor(0.5000)
    """

    log_weights: Float[Tensor, "*b depth k"]
    centres: Float[Tensor, "*b depth k"]
    log_scales: Float[Tensor, "*b depth k"]

    def _through(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """y_D and the logarithm of its slope."""
        y, slope = z, torch.zeros_like(z)
        for layer in range(self.centres.shape[-2]):
            w, s = self.log_weights[..., layer, :], self.log_scales[..., layer, :]
            u = (y[..., None] - self.centres[..., layer, :]) * (-s).exp()
            below, above = (w + logsigmoid(u)).logsumexp(-1), (w + logsigmoid(-u)).logsumexp(-1)
            slope = slope + (w + logsigmoid(u) + logsigmoid(-u) - s).logsumexp(-1) - below - above
            y = below - above
        return y, slope

    @property
    def mean(self) -> Float[Tensor, "*b"]:
        """Its mean, by 1,000 quantiles at equal distances: an approximation."""
        level = (torch.arange(1000, dtype=self.centres.dtype, device=self.centres.device) + 0.5) / 1000
        shape = self.centres.shape[:-2]
        return self._spread().quantile(level.expand(*shape, 1000)).mean(-1)

    def log_prob(self, z: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Log-density."""
        y, slope = self._through(z)
        return slope + logsigmoid(y) + logsigmoid(-y)

    def log_survival(self, z: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """log P(Z > z)."""
        return logsigmoid(-self._through(z)[0])

    def quantile(self, level: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Where P(Z <= z) is `level`, in (0, 1)."""
        goal = level.logit()
        low, high = torch.full_like(goal, -_REACH), torch.full_like(goal, _REACH)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            short = self._through(middle)[0] < goal
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        return (low + high) / 2

    def sample(self, *, generator: Gen = None) -> Float[Tensor, "*b"]:
        """One draw for every row."""
        u = rand(self.centres.shape[:-2], self.centres, generator=generator)
        return self.quantile(u.clamp(1e-12, 1 - torch.finfo(u.dtype).eps).to(self.centres.dtype))

    def _spread(self) -> "SigmoidalFlow":
        """The same law with an axis of length 1 before those of the layers."""
        return SigmoidalFlow(*(part[..., None, :, :] for part in self))


@dataclass(frozen=True)
class SigmoidalFlows:
    r"""Decodes a network's outputs to a `SigmoidalFlow`.

    Source: the deep sigmoidal flow of Huang, Krueger, Lacoste & Courville, Neural Autoregressive Flows (ICML 2018),
        https://arxiv.org/abs/1804.00779.

    Args:
        components: Sigmoids of a layer, K >= 1.
        depth: Layers, D >= 1.

    Shapes: outputs `[*B, 3 D K]`.

    Example:
        >>> SigmoidalFlows(4, depth=2).law(torch.zeros(5, 24)).centres.shape
        torch.Size([5, 2, 4])
    """

    components: int = 16
    depth: int = 2

    def __post_init__(self) -> None:
        require(
            self.components >= 1 and self.depth >= 1,
            f"SigmoidalFlows got components={self.components} and depth={self.depth}, expected at least 1 of each",
        )

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for one law."""
        return 3 * self.depth * self.components

    def law(self, out: Float[Tensor, "*b outputs"]) -> SigmoidalFlow:
        """What the outputs say: at 0, sigmoids that are spread over the bulk of a standardised number."""
        weights, centres, scales = out.unflatten(-1, (3, self.depth, self.components)).unbind(-3)
        held = scales + (scales.clamp(-5.0, 3.0) - scales).detach()
        return SigmoidalFlow(weights.log_softmax(-1), centres + self._places(out), held)

    def _places(self, out: Tensor) -> Tensor:
        if self.components == 1:
            return out.new_zeros(1)
        return torch.linspace(-2, 2, self.components, dtype=out.dtype, device=out.device)
