"""Where states live: how to move, how to draw noise, and (smooth spaces) geodesics.

A space knows no paths, networks or solvers; anything that needs time or learning belongs in a higher room.
"""

from pushforward.spaces import meshes
from pushforward.spaces.ball import Ball
from pushforward.spaces.box import Box, TruncatedNormal
from pushforward.spaces.centred import Centred
from pushforward.spaces.concrete import Concrete
from pushforward.spaces.curved import is_curved
from pushforward.spaces.domain import Domain
from pushforward.spaces.euclidean import Euclidean
from pushforward.spaces.igso3 import IGSO3
from pushforward.spaces.log_euclidean import LogEuclidean
from pushforward.spaces.lorentz import Lorentz
from pushforward.spaces.mesh import Mesh
from pushforward.spaces.meshes import Biharmonic, Commute, Diffusion
from pushforward.spaces.normal_noise import has_normal_noise, noise_of
from pushforward.spaces.orthant import Orthant
from pushforward.spaces.poincare import Poincare
from pushforward.spaces.polytope import Polytope, half_space
from pushforward.spaces.product import SE3, Product
from pushforward.spaces.pull_back import pull_back
from pushforward.spaces.simplex import Simplex
from pushforward.spaces.so3 import SO3
from pushforward.spaces.spd import SPD
from pushforward.spaces.spectral_distance import SpectralDistance
from pushforward.spaces.sphere import Sphere
from pushforward.spaces.student_t import StudentT
from pushforward.spaces.tokens import Tokens
from pushforward.spaces.torus import Torus

__all__ = [
    "IGSO3",
    "SE3",
    "SO3",
    "SPD",
    "Ball",
    "Biharmonic",
    "Box",
    "Centred",
    "Commute",
    "Concrete",
    "Diffusion",
    "Domain",
    "Euclidean",
    "LogEuclidean",
    "Lorentz",
    "Mesh",
    "Orthant",
    "Poincare",
    "Polytope",
    "Product",
    "Simplex",
    "SpectralDistance",
    "Sphere",
    "StudentT",
    "Tokens",
    "Torus",
    "TruncatedNormal",
    "half_space",
    "has_normal_noise",
    "is_curved",
    "meshes",
    "noise_of",
    "pull_back",
]
