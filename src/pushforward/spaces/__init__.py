"""Where states live: how to move, how to draw noise, and (smooth spaces) geodesics.

A space knows no paths, networks or solvers; anything that needs time or learning belongs in a higher room.
"""

from pushforward.spaces import meshes
from pushforward.spaces.euclidean import Euclidean
from pushforward.spaces.mesh import Mesh
from pushforward.spaces.meshes import Biharmonic, Commute, Diffusion
from pushforward.spaces.pull_back import pull_back
from pushforward.spaces.spectral_distance import SpectralDistance
from pushforward.spaces.student_t import StudentT

__all__ = [
    "Biharmonic",
    "Commute",
    "Diffusion",
    "Euclidean",
    "Mesh",
    "SpectralDistance",
    "StudentT",
    "meshes",
    "pull_back",
]
