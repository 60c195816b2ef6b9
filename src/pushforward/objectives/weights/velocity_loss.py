"""The loss of the velocity."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Coeffs

__all__ = ["VelocityLoss"]


@dataclass(frozen=True)
class VelocityLoss:
    r"""The unweighted velocity loss of flow matching, whatever the head.

    .. math:: |\delta v|^2

    Source: Lipman et al., Flow Matching for Generative Modeling (ICLR 2023), https://arxiv.org/abs/2210.02747.
    """

    def error(self, c: Coeffs) -> Tensor:
        """W."""
        return c.wronskian
