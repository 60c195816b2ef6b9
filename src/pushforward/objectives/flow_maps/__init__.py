"""The parts of flow-map objectives: laws of intervals, velocities, rules, residuals, and the loss that joins them."""

from pushforward.objectives.flow_maps.chord import Chord
from pushforward.objectives.flow_maps.compose import Compose
from pushforward.objectives.flow_maps.dyadic import Dyadic
from pushforward.objectives.flow_maps.estimates import Conditional, Estimated, Guided, Teacher, VelocityEstimate
from pushforward.objectives.flow_maps.interval import Interval, Intervals
from pushforward.objectives.flow_maps.lagrange import Lagrange
from pushforward.objectives.flow_maps.local import Local, Rule, Target
from pushforward.objectives.flow_maps.matching import FlowMapMatching
from pushforward.objectives.flow_maps.residual import Residual
from pushforward.objectives.flow_maps.segment import Segment
from pushforward.objectives.flow_maps.sorted_pair import SortedPair
from pushforward.objectives.flow_maps.start_and_gap import StartAndGap
from pushforward.objectives.flow_maps.tangent import Tangent
from pushforward.objectives.flow_maps.to_end import ToEnd
from pushforward.objectives.flow_maps.uniform_start import UniformStart

__all__ = [
    "Chord",
    "Compose",
    "Conditional",
    "Dyadic",
    "Estimated",
    "FlowMapMatching",
    "Guided",
    "Interval",
    "Intervals",
    "Lagrange",
    "Local",
    "Residual",
    "Rule",
    "Segment",
    "SortedPair",
    "StartAndGap",
    "Tangent",
    "Target",
    "Teacher",
    "ToEnd",
    "UniformStart",
    "VelocityEstimate",
]
