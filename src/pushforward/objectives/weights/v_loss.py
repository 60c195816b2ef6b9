"""The loss of v-prediction."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["VLoss"]


@dataclass(frozen=True)
class VLoss:
    r"""The unweighted loss of v-prediction: the velocity on the quarter circle of the same ratio, whatever the head.

    .. math:: |\delta F|^2 = \frac{\alpha^2 + \sigma^2}{W^2}\, |\delta v|^2, \qquad
              F = \frac{\alpha x_0 - \sigma x_1}{\sqrt{\alpha^2 + \sigma^2}}

    On variance-preserving schedules it is `VelocityLoss` at unit angular speed; the VP target of i-DODE.

    Source: Salimans & Ho, Progressive Distillation for Fast Sampling of Diffusion Models (ICLR 2022),
        https://arxiv.org/abs/2202.00512.
    """

    def error(self, c: Coeffs) -> Tensor:
        """sqrt(alpha^2 + sigma^2)."""
        return (c.alpha.square() + c.sigma.square()).sqrt()
