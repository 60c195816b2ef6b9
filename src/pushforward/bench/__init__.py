"""Measurements: suites that put ours, published figures and peers side by side, and races on one machine.

A suite composes lower rooms, measures, and gives rows; the rows go to one csv. What is measured (data, metrics, nets,
the training loop) lives below, pages and pictures of runs in `report`. Peers are imported here and nowhere else, inside
functions, and only where somebody asks for them.
"""

from pushforward.bench.conditional_ot import ConditionalTransport
from pushforward.bench.couplings import Couplings
from pushforward.bench.couplings_entropic import CouplingsEntropic
from pushforward.bench.couplings_exact import ExactCouplings
from pushforward.bench.discrete import Discrete
from pushforward.bench.dna import DNAPromoters
from pushforward.bench.dna_guided import GuidedDNA
from pushforward.bench.domains import Domains
from pushforward.bench.exact_wasserstein import ExactWasserstein
from pushforward.bench.graphs import Graphs
from pushforward.bench.job import Job, Suite
from pushforward.bench.layout import Layout
from pushforward.bench.outliers import Outliers
from pushforward.bench.peers import PEERS
from pushforward.bench.point_process import PointProcess
from pushforward.bench.results import Result, Results
from pushforward.bench.smiles import Molecules
from pushforward.bench.suites import SUITES, Budgets, run
from pushforward.bench.three_marginals import ThreeMarginals
from pushforward.bench.training_speed import TrainingSpeed
from pushforward.bench.two_dim import TwoDim
from pushforward.bench.work_precision import WorkPrecision

__all__ = [
    "PEERS",
    "SUITES",
    "Budgets",
    "ConditionalTransport",
    "Couplings",
    "CouplingsEntropic",
    "DNAPromoters",
    "Discrete",
    "Domains",
    "ExactCouplings",
    "ExactWasserstein",
    "Graphs",
    "GuidedDNA",
    "Job",
    "Layout",
    "Molecules",
    "Outliers",
    "PointProcess",
    "Result",
    "Results",
    "Suite",
    "ThreeMarginals",
    "TrainingSpeed",
    "TwoDim",
    "WorkPrecision",
    "run",
]
