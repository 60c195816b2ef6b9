"""Where states live: how to move, how to draw noise, and (smooth spaces) geodesics.

A space knows no paths, networks or solvers; anything that needs time or learning belongs in a higher room.
"""

from pushforward.spaces.ball import Ball
from pushforward.spaces.box import Box, TruncatedNormal
from pushforward.spaces.domain import Domain
from pushforward.spaces.euclidean import Euclidean
from pushforward.spaces.normal_noise import has_normal_noise, noise_of
from pushforward.spaces.polytope import Polytope, half_space
from pushforward.spaces.pull_back import pull_back
from pushforward.spaces.simplex import Simplex
from pushforward.spaces.student_t import StudentT

__all__ = [
    "Ball",
    "Box",
    "Domain",
    "Euclidean",
    "Polytope",
    "Simplex",
    "StudentT",
    "TruncatedNormal",
    "half_space",
    "has_normal_noise",
    "noise_of",
    "pull_back",
]
