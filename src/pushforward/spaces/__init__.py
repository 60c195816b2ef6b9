"""Where states live: how to move, how to draw noise, and (smooth spaces) geodesics.

A space knows no paths, networks or solvers; anything that needs time or learning belongs in a higher room.
"""

from pushforward.spaces.euclidean import Euclidean
from pushforward.spaces.pull_back import pull_back
from pushforward.spaces.student_t import StudentT
from pushforward.spaces.tokens import Tokens

__all__ = ["Euclidean", "StudentT", "Tokens", "pull_back"]
