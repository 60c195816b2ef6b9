"""The explicit register: which classes may stand in which slot of a configuration."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from torch import nn

from pushforward import couplings, data, fields, guidance, nets, objectives, paths, solvers, spaces, transport
from pushforward.core import Coupling, Field, Head, Objective, Path, Schedule, Smooth, Solver, Space
from pushforward.couplings import LearnedCoupling
from pushforward.data import Distribution, Loader, Tokeniser
from pushforward.guidance import Guidance
from pushforward.objectives import Convex, FieldTerm, NeuralPath
from pushforward.objectives.flow_maps import Intervals, VelocityEstimate
from pushforward.objectives.repulsions import Repulsion
from pushforward.objectives.times import Draw, TimeLaw
from pushforward.objectives.weights import NamedLoss, Weight
from pushforward.paths.latents import Latent
from pushforward.solvers.grids import Grid
from pushforward.transport import Cost

__all__ = ["kinds", "parts_of"]


def _named(room: ModuleType, *names: str) -> dict[str, type]:
    """Classes of a room by name: those given, or every public class."""
    public = {name: getattr(room, name) for name in (names or room.__all__)}
    return {name: part for name, part in public.items() if isinstance(part, type) and not _is_protocol(part)}


def _is_protocol(part: type) -> bool:
    return getattr(part, "_is_protocol", False)


SOLVERS = (
    "AdamsBashforth",
    "AdamsBashforthMoulton",
    "Corrected",
    "DDIM",
    "DPMSolverPP",
    "Dopri5",
    "Euler",
    "EulerMaruyama",
    "ExactJump",
    "Heun",
    "Jump",
    "Midpoint",
    "RK4",
    "SRA1",
    "StochasticHeun",
    "Tsit5",
    "UniPC",
    "Unmask",
)
# the source of DataDependent is a function, which no configuration can hold, and TurnedData is such a source; Chain
# couples more than two, AlignedDistance and GeodesicCost are costs, the pairs of Symmetrical are mappings, and
# Truncated is for the pairs of a trained flow, which are made in Python
NO_COUPLINGS = ("AlignedDistance", "Chain", "DataDependent", "GeodesicCost", "Symmetrical", "Truncated", "TurnedData")


# the parts of a Product, and so SE3's, are named in Python
SPACES = (
    "Ball",
    "Box",
    "Centred",
    "Euclidean",
    "LogEuclidean",
    "Lorentz",
    "Poincare",
    "Polytope",
    "SO3",
    "SPD",
    "Simplex",
    "Sphere",
    "Tokens",
    "Torus",
)
OBJECTIVES = (
    "AlphaFlow",
    "CRectifiedFlow",
    "ConsistencyFM",
    "ConsistencyTraining",
    "DiscreteFlowMatching",
    "Dispersive",
    "FlowMatching",
    "Joint",
    "MeanFlow",
    "ModularMeanFlow",
    "NeuralFlowDiffusion",
    "ReMeanFlow",
    "Shortcut",
    "SplitMeanFlow",
)


@cache
def kinds() -> Mapping[type, Mapping[str, type]]:
    """Slot (a Protocol or base class) -> the classes that may fill it, by name."""
    return {
        Convex: _named(objectives, "Power", "Quadratic"),
        Cost: {
            **_named(transport, "CosineDistance", "Hamming", "PNorm", "SquaredEuclidean"),
            **_named(couplings, "AlignedDistance", "GeodesicCost"),
        },
        Coupling: _named(couplings, *(name for name in couplings.__all__ if name not in NO_COUPLINGS)),
        Distribution: _named(data.toys),
        Draw: _named(objectives.times, "Antithetic", "Independent", "Stratified"),
        Field: _named(guidance, "CFGZeroStar", "ClassifierFree", "Interval"),  # Autoguidance needs a second model
        FieldTerm: _named(objectives, "SecondOrder"),
        Guidance: _named(guidance, "CFGZeroStar", "ClassifierFree"),
        Grid: _named(solvers.grids),
        Head: _named(
            fields,
            "Endpoint",
            "FlowAndScore",
            "LatentNoise",
            "Logits",
            "Noise",
            "OneHot",
            "Score",
            "SourceLogits",
            "Velocity",
        ),
        Latent: _named(paths.latents),
        LearnedCoupling: _named(couplings, "CARFlow", "CrossFlow", "VariationalNoise"),
        Loader: _named(data.loaders),
        NamedLoss: _named(
            objectives.weights, "EndpointLoss", "Likelihood", "MinSNR", "NoiseLoss", "VLoss", "VelocityLoss"
        ),
        NeuralPath: _named(objectives, "NeuralPath"),
        Intervals: _named(objectives.flow_maps, "Dyadic", "SortedPair", "StartAndGap", "ToEnd", "UniformStart"),
        Objective: _named(objectives, *OBJECTIVES),
        Path: _named(paths, "Affine", "Geodesic", "Mixture"),
        Repulsion: _named(objectives.repulsions),
        Schedule: _named(paths.schedules),
        Solver: _named(solvers, *SOLVERS),
        Smooth: _named(spaces, *(name for name in SPACES if name != "Tokens")),
        Space: _named(spaces, *SPACES),
        TimeLaw: _named(
            objectives.times, "Beta", "Grid", "Importance", "LogUniform", "LogitNormal", "ModeSD3", "UShaped", "Uniform"
        ),
        Tokeniser: _named(data.tokenisers),
        VelocityEstimate: _named(objectives.flow_maps, "Conditional", "Guided"),  # Teacher needs a model
        Weight: _named(objectives.weights),
        nn.Module: _named(
            nets, "DiT", "EGNN", "HashGrid", "MLP", "ResidualMLP", "TokenCNN", "TokenTransformer", "UNet"
        ),
    }


def parts_of(kind: type) -> Mapping[str, type]:
    """The classes that may fill a slot of this kind; empty when the kind is no slot."""
    return kinds().get(kind, {})
