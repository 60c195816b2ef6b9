"""Loss weights w(t), in terms of the velocity loss; any callable from times `[B]` to `[B]` is one.

With the Wronskian W = alpha' sigma - alpha sigma', errors of the parametrisations are proportional:
|dv|^2 = (W/sigma)^2 |dD|^2 = (W/alpha)^2 |d eps|^2 = (sigma W/alpha)^2 |ds|^2.

Source: the conversions of Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.objectives.weights.endpoint_loss import EndpointLoss
from pushforward.objectives.weights.likelihood import Likelihood
from pushforward.objectives.weights.min_snr import MinSNR
from pushforward.objectives.weights.noise_loss import NoiseLoss
from pushforward.objectives.weights.one import One

__all__ = ["EndpointLoss", "Likelihood", "MinSNR", "NoiseLoss", "One", "Weight"]


@runtime_checkable
class Weight(Protocol):
    """Times `[B]` to loss weights `[B]`."""

    def __call__(self, t: Tensor) -> Tensor:  # noqa: D102
        ...
