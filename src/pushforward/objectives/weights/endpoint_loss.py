"""The loss of the denoiser."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["EndpointLoss"]


@dataclass(frozen=True)
class EndpointLoss:
    r"""The unweighted denoising loss, whatever the head.

    .. math:: |\delta D|^2 = (\sigma / W)^2\, |\delta v|^2
    """

    def error(self, c: Coeffs) -> Tensor:
        """sigma."""
        return c.sigma
