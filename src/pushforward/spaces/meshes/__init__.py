"""What triangle meshes are computed with: closest points, the Laplace-Beltrami operator, spectral distances, OBJ files.

Whatever moves or draws points is `Mesh` itself; what needs paths or networks belongs in a higher room.
"""

from pushforward.spaces.meshes.laplacian import eigenpairs, lumped_area, stiffness
from pushforward.spaces.meshes.obj import read_obj
from pushforward.spaces.meshes.shapes import icosphere
from pushforward.spaces.meshes.weights import Biharmonic, Commute, Diffusion, SpectralWeight

__all__ = [
    "Biharmonic",
    "Commute",
    "Diffusion",
    "SpectralWeight",
    "eigenpairs",
    "icosphere",
    "lumped_area",
    "read_obj",
    "stiffness",
]
