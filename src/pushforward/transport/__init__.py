"""Discrete optimal transport: a cost in, a permutation or a plan out, with the proof of how good it is.

Costs and solvers over cost matrices live here. They know no flows, no paths and no conditions: pairing the rows of a
batch is the business of `couplings`, and distances between samples belong to `metrics`.
"""

from pushforward.transport.alignment import Alignment, alignment
from pushforward.transport.assignment import Assignment, assignment, auction
from pushforward.transport.cost import CosineDistance, Cost, PNorm, SquaredEuclidean, squared_euclidean
from pushforward.transport.exact_plan import ExactPlan, exact_plan
from pushforward.transport.hamming import Hamming
from pushforward.transport.kabsch import kabsch
from pushforward.transport.partial import Partial, PartialAssignment, partial, partial_assignment
from pushforward.transport.point_entropic_ot import PointEntropic, point_entropic_ot
from pushforward.transport.points import point_auction
from pushforward.transport.rounded import rounded
from pushforward.transport.semi_relaxed import semi_relaxed
from pushforward.transport.sinkhorn import Entropic, entropic_ot, sinkhorn
from pushforward.transport.sinkhorn_divergence import sinkhorn_divergence
from pushforward.transport.sinkhorn_newton_sparse import sinkhorn_newton_sparse
from pushforward.transport.stable import stable_matching
from pushforward.transport.unbalanced import Unbalanced, unbalanced

__all__ = [
    "Alignment",
    "Assignment",
    "CosineDistance",
    "Cost",
    "Entropic",
    "ExactPlan",
    "Hamming",
    "PNorm",
    "Partial",
    "PartialAssignment",
    "PointEntropic",
    "SquaredEuclidean",
    "Unbalanced",
    "alignment",
    "assignment",
    "auction",
    "entropic_ot",
    "exact_plan",
    "kabsch",
    "partial",
    "partial_assignment",
    "point_auction",
    "point_entropic_ot",
    "rounded",
    "semi_relaxed",
    "sinkhorn",
    "sinkhorn_divergence",
    "sinkhorn_newton_sparse",
    "squared_euclidean",
    "stable_matching",
    "unbalanced",
]
