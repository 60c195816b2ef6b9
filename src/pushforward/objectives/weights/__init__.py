"""Loss weights: functions of time, and losses by name.

A function w from times `[B]` to `[B]` multiplies the loss of the head as it is, whichever that is; `One` is the plain
loss. A named loss (`VelocityLoss`, `EndpointLoss`, `NoiseLoss`, `Likelihood`, `MinSNR`, `VLoss`) says what is minimised
whatever the head says, on the schedule of the path it is trained on. With the Wronskian
W = alpha' sigma - alpha sigma', one wrong answer is an error of

    velocity W e,    data sigma e,    noise alpha e,    score (alpha / sigma) e

in the parametrisations, so that a loss named by its own `error` weighs that of a head by
w(t) = (error of the loss / error of the head)^2. Where a head cannot see what the loss asks for (noise of a denoiser at
t = 1), w diverges: keep training times away from there (`Uniform(high=1 - 1e-3)`).

Source: the conversions of Lipman et al., Flow Matching Guide and Code (2024), https://arxiv.org/abs/2412.06264.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Coeffs
from pushforward.objectives.weights.endpoint_loss import EndpointLoss
from pushforward.objectives.weights.likelihood import Likelihood
from pushforward.objectives.weights.min_snr import MinSNR
from pushforward.objectives.weights.noise_loss import NoiseLoss
from pushforward.objectives.weights.one import One
from pushforward.objectives.weights.v_loss import VLoss
from pushforward.objectives.weights.velocity_loss import VelocityLoss

__all__ = ["EndpointLoss", "Likelihood", "MinSNR", "NamedLoss", "NoiseLoss", "One", "VLoss", "VelocityLoss", "Weight"]


@runtime_checkable
class Weight(Protocol):
    """Times `[B]` to factors `[B]` of the head's loss."""

    def __call__(self, t: Tensor) -> Tensor:  # noqa: D102
        ...


@runtime_checkable
class NamedLoss(Protocol):
    """A loss that is the same for every head."""

    def error(self, c: Coeffs) -> Tensor:
        """Root of what it makes of a unit error `[B]`, which is one of W in the velocity."""
        ...
