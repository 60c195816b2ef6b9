"""Data sets: where batches come from, transforms with their log-determinants, toys, loaders of files and public sets.

Everything in memory is handed out by index, without worker processes. What is known exactly about a distribution's
flow (scores, marginal velocities, posteriors) belongs to the oracles; who is paired with whom to the couplings.
"""

from pushforward.data import loaders, toys, transforms
from pushforward.data.batches import Arrays, Batches, Distribution, Stream
from pushforward.data.dataset import Dataset, Loader, random_split
from pushforward.data.loaders import (
    CIFAR10,
    MNIST,
    BasePairSteps,
    Digits,
    EarthPoints,
    FashionMNIST,
    ImageFolder,
    MeshFile,
    Table,
    Torsions,
    Toy,
    step_motion,
)
from pushforward.data.mesh_density import MeshDensity
from pushforward.data.toys import (
    Checkerboard,
    Components,
    EightGaussians,
    Funnel,
    Gaussian,
    GaussianMoons,
    Labelled,
    Moons,
    Pinwheel,
    Rings,
    SCurve,
    Spirals,
)
from pushforward.data.transforms import (
    AffineMap,
    Clip,
    Compose,
    Dequantise,
    Identity,
    Logit,
    Standardise,
    Transform,
    describe_transform,
    rebuild_transform,
)

__all__ = [
    "CIFAR10",
    "MNIST",
    "AffineMap",
    "Arrays",
    "BasePairSteps",
    "Batches",
    "Checkerboard",
    "Clip",
    "Components",
    "Compose",
    "Dataset",
    "Dequantise",
    "Digits",
    "Distribution",
    "EarthPoints",
    "EightGaussians",
    "FashionMNIST",
    "Funnel",
    "Gaussian",
    "GaussianMoons",
    "Identity",
    "ImageFolder",
    "Labelled",
    "Loader",
    "Logit",
    "MeshDensity",
    "MeshFile",
    "Moons",
    "Pinwheel",
    "Rings",
    "SCurve",
    "Spirals",
    "Standardise",
    "Stream",
    "Table",
    "Torsions",
    "Toy",
    "Transform",
    "describe_transform",
    "loaders",
    "random_split",
    "rebuild_transform",
    "step_motion",
    "toys",
    "transforms",
]
