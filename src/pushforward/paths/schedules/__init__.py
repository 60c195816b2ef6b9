"""Schedules: times to alpha, sigma and their derivatives; where the ratio rises, with its inverse."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Schedule
from pushforward.paths.schedules.cond_ot import CondOT
from pushforward.paths.schedules.cosine import Cosine
from pushforward.paths.schedules.cosine_speed import CosineSpeed
from pushforward.paths.schedules.encoding_decoding import EncodingDecoding
from pushforward.paths.schedules.kinetic_optimal import KineticOptimal, data_separation
from pushforward.paths.schedules.linear_vp import LinearVP
from pushforward.paths.schedules.mirror import Mirror
from pushforward.paths.schedules.polynomial import Polynomial
from pushforward.paths.schedules.trigonometric import Trigonometric
from pushforward.paths.schedules.variance_exploding import VarianceExploding
from pushforward.paths.schedules.variance_preserving import VariancePreserving

__all__ = [
    "CondOT",
    "Cosine",
    "CosineSpeed",
    "EncodingDecoding",
    "Invertible",
    "KineticOptimal",
    "LinearVP",
    "Mirror",
    "Polynomial",
    "Trigonometric",
    "VarianceExploding",
    "VariancePreserving",
    "data_separation",
]


@runtime_checkable
class Invertible(Schedule, Protocol):
    """A schedule whose ratio rho = alpha / sigma can be turned back into a time."""

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho`, both `[B]`."""
        ...
