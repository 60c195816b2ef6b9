"""Conditional paths, their schedules and latents, and the change of schedule after training.

A path says where a row is at time t given its ends, and how it moves; it knows no networks, couplings or losses.
"""

from pushforward.paths import curves, latents, schedules
from pushforward.paths.affine import Affine
from pushforward.paths.bridge_mixture import BridgeMixture
from pushforward.paths.curves import Curve, LearnedCurve, NaturalSpline, Pairwise, Polyline
from pushforward.paths.dirichlet import Dirichlet
from pushforward.paths.dirichlet_speed import dirichlet_speed
from pushforward.paths.fisher import Fisher
from pushforward.paths.geodesic import Geodesic
from pushforward.paths.gumbel_softmax import GumbelSoftmax
from pushforward.paths.latents import Brownian, Constant, SineSquared
from pushforward.paths.linear_rate import LinearRate
from pushforward.paths.linear_simplex import LinearSimplex
from pushforward.paths.metric_tokens import MetricTokens
from pushforward.paths.mixture import Mixture
from pushforward.paths.multi_affine import MultiAffine, blend
from pushforward.paths.premetric import Distance, Premetric
from pushforward.paths.rescheduled import Rescheduled
from pushforward.paths.schedules import (
    CondOT,
    Cosine,
    CosineSpeed,
    EncodingDecoding,
    KineticOptimal,
    LinearVP,
    Mirror,
    Polynomial,
    Trigonometric,
    VarianceExploding,
    VariancePreserving,
    data_separation,
)

__all__ = [
    "Affine",
    "BridgeMixture",
    "Brownian",
    "CondOT",
    "Constant",
    "Cosine",
    "CosineSpeed",
    "Curve",
    "Dirichlet",
    "Distance",
    "EncodingDecoding",
    "Fisher",
    "Geodesic",
    "GumbelSoftmax",
    "KineticOptimal",
    "LearnedCurve",
    "LinearRate",
    "LinearSimplex",
    "LinearVP",
    "MetricTokens",
    "Mirror",
    "Mixture",
    "MultiAffine",
    "NaturalSpline",
    "Pairwise",
    "Polyline",
    "Polynomial",
    "Premetric",
    "Rescheduled",
    "SineSquared",
    "Trigonometric",
    "VarianceExploding",
    "VariancePreserving",
    "blend",
    "curves",
    "data_separation",
    "dirichlet_speed",
    "latents",
    "schedules",
]
