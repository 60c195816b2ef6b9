"""How good samples and flows are: distances between sample sets, energy and curvature of paths, classifier scores.

Plain functions of samples `[N, *E]` (tensors or arrays; event axes are flattened), or of fields and trajectories. Each
says what it gives between two real sets, and `with_floor` measures that. Nothing here trains a flow, follows one for
its own sake, reads files or prints; fast transport solvers belong in `transport`.
"""

from pushforward.metrics.c2st import c2st
from pushforward.metrics.class_accuracy import class_accuracy
from pushforward.metrics.control_variates import LowerBound, UpperBound
from pushforward.metrics.copies import copies
from pushforward.metrics.curvature import curvature
from pushforward.metrics.directions import Equispaced, Orthogonal, RandomDirections, Sobol
from pushforward.metrics.energy_distance import energy_distance
from pushforward.metrics.frechet import frechet
from pushforward.metrics.graph_statistics import Clustering, Degrees, Orbits, graph_mmd, planar
from pushforward.metrics.kmer_distance import kmer_distance
from pushforward.metrics.layouts import alignment, overlap
from pushforward.metrics.mmd import mmd
from pushforward.metrics.molecules import (
    canonical_smiles,
    internal_diversity,
    novelty,
    property_distance,
    uniqueness,
    validity,
)
from pushforward.metrics.path_energy import path_energy
from pushforward.metrics.perplexity import perplexity
from pushforward.metrics.precision_recall_coverage import PrecisionRecallCoverage, precision_recall_coverage
from pushforward.metrics.sliced_wasserstein import sliced_wasserstein
from pushforward.metrics.table_distance import table_kl, table_variation, table_variation_floor
from pushforward.metrics.wasserstein import wasserstein
from pushforward.metrics.with_floor import Floored, with_floor

__all__ = [
    "Clustering",
    "Degrees",
    "Equispaced",
    "Floored",
    "LowerBound",
    "Orbits",
    "Orthogonal",
    "PrecisionRecallCoverage",
    "RandomDirections",
    "Sobol",
    "UpperBound",
    "alignment",
    "c2st",
    "canonical_smiles",
    "class_accuracy",
    "copies",
    "curvature",
    "energy_distance",
    "frechet",
    "graph_mmd",
    "internal_diversity",
    "kmer_distance",
    "mmd",
    "novelty",
    "overlap",
    "path_energy",
    "perplexity",
    "planar",
    "precision_recall_coverage",
    "property_distance",
    "sliced_wasserstein",
    "table_kl",
    "table_variation",
    "table_variation_floor",
    "uniqueness",
    "validity",
    "wasserstein",
    "with_floor",
]
