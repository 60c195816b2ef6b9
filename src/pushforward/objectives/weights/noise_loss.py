"""The loss of the noise predictor."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["NoiseLoss"]


@dataclass(frozen=True)
class NoiseLoss:
    r"""The unweighted noise-prediction loss of DDPM, whatever the head.

    .. math:: |\delta\epsilon|^2 = (\alpha / W)^2\, |\delta v|^2 = \sigma^2\, |\delta s|^2

    Source: Ho, Jain & Abbeel, Denoising Diffusion Probabilistic Models (NeurIPS 2020), https://arxiv.org/abs/2006.11239.
    """

    def error(self, c: Coeffs) -> Tensor:
        """alpha."""
        return c.alpha
