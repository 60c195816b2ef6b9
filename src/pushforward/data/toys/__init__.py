"""Small distributions to look at: vectorised samplers with their exact laws, and densities where they are known.

Their marginal paths, scores and flow maps are not here; distributions that know those are oracles.
"""

from pushforward.data.toys.checkerboard import Checkerboard
from pushforward.data.toys.constrained import BallMixture, BoxFaces, PolytopeMixture
from pushforward.data.toys.eight_gaussians import EightGaussians
from pushforward.data.toys.funnel import Funnel
from pushforward.data.toys.gaussian import Gaussian
from pushforward.data.toys.gaussian_moons import GaussianMoons
from pushforward.data.toys.labelled import Components, Labelled
from pushforward.data.toys.moons import Moons
from pushforward.data.toys.pinwheel import Pinwheel
from pushforward.data.toys.rings import Rings
from pushforward.data.toys.s_curve import SCurve
from pushforward.data.toys.spirals import Spirals

__all__ = [
    "BallMixture",
    "BoxFaces",
    "Checkerboard",
    "Components",
    "EightGaussians",
    "Funnel",
    "Gaussian",
    "GaussianMoons",
    "Labelled",
    "Moons",
    "Pinwheel",
    "PolytopeMixture",
    "Rings",
    "SCurve",
    "Spirals",
]
