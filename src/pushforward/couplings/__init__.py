"""Who travels to whom: the parts that pair the rows of a source batch with the rows of a data batch.

A coupling takes two independent batches and gives `Pairs`; the condition belongs to the data and goes where they go.
How a plan is found is the business of `transport`; a coupling only asks for one. Paths, networks and losses are not
known here.

Learned couplings are modules: they move rows, and are trained with the network under `objectives.Joint`.
"""

from pushforward.couplings.aligned import Aligned
from pushforward.couplings.barycentric import Barycentric
from pushforward.couplings.bomb import BombOT
from pushforward.couplings.car_flow import CARFlow
from pushforward.couplings.chain import Chain
from pushforward.couplings.conditional import ConditionalOT
from pushforward.couplings.cross_flow import CrossFlow
from pushforward.couplings.data_dependent import DataDependent
from pushforward.couplings.entropic import EntropicOT
from pushforward.couplings.equivariant_ot import AlignedDistance, EquivariantOT
from pushforward.couplings.exact import ExactOT
from pushforward.couplings.geodesic_cost import GeodesicCost
from pushforward.couplings.immiscible import Immiscible
from pushforward.couplings.independent import Independent
from pushforward.couplings.learned import LearnedCoupling
from pushforward.couplings.nearest import NearestNoise
from pushforward.couplings.paired import Paired
from pushforward.couplings.partial import PartialOT
from pushforward.couplings.semi_relaxed import SemiRelaxed
from pushforward.couplings.stable import StableMatching
from pushforward.couplings.symmetrical import Symmetrical
from pushforward.couplings.truncated import Truncated
from pushforward.couplings.turned_data import TurnedData
from pushforward.couplings.unbalanced import UnbalancedOT
from pushforward.couplings.variational_noise import VariationalNoise
from pushforward.couplings.weighted import WeightedCFM

__all__ = [
    "Aligned",
    "AlignedDistance",
    "Barycentric",
    "BombOT",
    "CARFlow",
    "Chain",
    "ConditionalOT",
    "CrossFlow",
    "DataDependent",
    "EntropicOT",
    "EquivariantOT",
    "ExactOT",
    "GeodesicCost",
    "Immiscible",
    "Independent",
    "LearnedCoupling",
    "NearestNoise",
    "Paired",
    "PartialOT",
    "SemiRelaxed",
    "StableMatching",
    "Symmetrical",
    "Truncated",
    "TurnedData",
    "UnbalancedOT",
    "VariationalNoise",
    "WeightedCFM",
]
