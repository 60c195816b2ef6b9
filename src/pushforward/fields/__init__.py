"""Heads, laws, and the views of a trained network: a velocity field, an estimate of both ends.

What turns a network's output into motion lives here; how that motion is followed (solvers) or learned (objectives) does
not.
"""

from pushforward.fields import adapters
from pushforward.fields.corner_field import CornerField, Corners
from pushforward.fields.dirac import Dirac
from pushforward.fields.endpoint import Endpoint
from pushforward.fields.flow_sde import FlowSDE
from pushforward.fields.net_field import NetEstimator, NetField
from pushforward.fields.noise import Noise
from pushforward.fields.normal import Normal
from pushforward.fields.score import Score
from pushforward.fields.velocity import Velocity

__all__ = [
    "CornerField",
    "Corners",
    "Dirac",
    "Endpoint",
    "FlowSDE",
    "NetEstimator",
    "NetField",
    "Noise",
    "Normal",
    "Score",
    "Velocity",
    "adapters",
]
