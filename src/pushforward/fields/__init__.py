"""Heads, laws, and the views of a trained network: a velocity field, an estimate of both ends.

What turns a network's output into motion lives here; how that motion is followed (solvers) or learned (objectives) does
not.
"""

from pushforward.fields import adapters
from pushforward.fields.accelerated import Accelerated
from pushforward.fields.arrival import Arrival
from pushforward.fields.categorical import Categorical
from pushforward.fields.concrete_score import ConcreteScore, Shares
from pushforward.fields.converted import converted
from pushforward.fields.corner_field import CornerField, Corners
from pushforward.fields.dirac import Dirac
from pushforward.fields.endpoint import Endpoint
from pushforward.fields.flow_and_score import FlowAndScore
from pushforward.fields.flow_sde import FlowSDE
from pushforward.fields.geodesic_endpoint import GeodesicEndpoint
from pushforward.fields.held import Held
from pushforward.fields.latent_noise import LatentNoise
from pushforward.fields.logits import Logits
from pushforward.fields.net_field import NetEstimator, NetField, NetScore, check_head, hear
from pushforward.fields.net_map import NetMap, segment_end
from pushforward.fields.net_process import Decoder, LogTime, NetProcess
from pushforward.fields.noise import Noise
from pushforward.fields.noise_levels import Memoryless, PowerLaw
from pushforward.fields.normal import Normal
from pushforward.fields.normal_mixture import NormalMixture, NormalMixtures
from pushforward.fields.one_hot import OneHot, OneHotLaw
from pushforward.fields.own_clock import OwnClock
from pushforward.fields.score import Score
from pushforward.fields.shared import Shared
from pushforward.fields.sigmoidal_flow import SigmoidalFlow, SigmoidalFlows
from pushforward.fields.source_logits import SourceLogits
from pushforward.fields.stacked import Stacked, stack
from pushforward.fields.tangent import Tangent
from pushforward.fields.transition_kernel import Transition, TransitionKernel
from pushforward.fields.two_way import Drifts, TwoWay
from pushforward.fields.velocity import Velocity

__all__ = [
    "Accelerated",
    "Arrival",
    "Categorical",
    "ConcreteScore",
    "CornerField",
    "Corners",
    "Decoder",
    "Dirac",
    "Drifts",
    "Endpoint",
    "FlowAndScore",
    "FlowSDE",
    "GeodesicEndpoint",
    "Held",
    "LatentNoise",
    "LogTime",
    "Logits",
    "Memoryless",
    "NetEstimator",
    "NetField",
    "NetMap",
    "NetProcess",
    "NetScore",
    "Noise",
    "Normal",
    "NormalMixture",
    "NormalMixtures",
    "OneHot",
    "OneHotLaw",
    "OwnClock",
    "PowerLaw",
    "Score",
    "Shared",
    "Shares",
    "SigmoidalFlow",
    "SigmoidalFlows",
    "SourceLogits",
    "Stacked",
    "Tangent",
    "Transition",
    "TransitionKernel",
    "TwoWay",
    "Velocity",
    "adapters",
    "check_head",
    "converted",
    "hear",
    "segment_end",
    "stack",
]
