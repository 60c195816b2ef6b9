"""Where data sets come from: toys, files of the user, public image sets.

A loader is a frozen dataclass of plain fields with `load() -> Dataset`. It reads, checks, splits and chooses the units;
it neither batches nor trains.
"""

from pushforward.data.loaders.base_pair_steps import BasePairSteps, step_motion
from pushforward.data.loaders.cifar10 import CIFAR10
from pushforward.data.loaders.digits import Digits
from pushforward.data.loaders.earth_points import EarthPoints
from pushforward.data.loaders.fashion_mnist import FashionMNIST
from pushforward.data.loaders.graph_set import GraphSet, adjacency
from pushforward.data.loaders.image_folder import ImageFolder
from pushforward.data.loaders.japan_earthquakes import JapanEarthquakes
from pushforward.data.loaders.mesh_file import MeshFile
from pushforward.data.loaders.mnist import MNIST
from pushforward.data.loaders.rico_layouts import RicoLayouts
from pushforward.data.loaders.sequences import Sequences
from pushforward.data.loaders.table import Table
from pushforward.data.loaders.text_file import TextFile
from pushforward.data.loaders.torsions import Torsions
from pushforward.data.loaders.toy import Toy

__all__ = [
    "CIFAR10",
    "MNIST",
    "BasePairSteps",
    "Digits",
    "EarthPoints",
    "FashionMNIST",
    "GraphSet",
    "ImageFolder",
    "JapanEarthquakes",
    "MeshFile",
    "RicoLayouts",
    "Sequences",
    "Table",
    "TextFile",
    "Torsions",
    "Toy",
    "adjacency",
    "step_motion",
]
