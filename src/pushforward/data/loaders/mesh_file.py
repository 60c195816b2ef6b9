"""Points on a mesh from a file."""

import os
from dataclasses import dataclass
from pathlib import Path

from pushforward.data.batches import Stream
from pushforward.data.dataset import Dataset
from pushforward.data.mesh_density import MeshDensity
from pushforward.spaces import Mesh

__all__ = ["MeshFile"]


@dataclass(frozen=True)
class MeshFile:
    """Fresh draws from an eigenfunction of a mesh, at every step: `[3]`.

    Args:
        path: An OBJ file; one that is not there is looked for below `$PUSHFORWARD_DATA`.
        function: Number of the Laplace-Beltrami eigenfunction whose positive part is the density, >= 1; the higher, the
            more and smaller its humps.

    Raises: `InvalidInput` for a file that is no mesh, and for a function that the mesh is too coarse for.
    """

    path: str = "manifold/spot.obj"
    function: int = 10

    def mesh(self) -> Mesh:
        """The surface."""
        path = Path(self.path).expanduser()
        folder = os.environ.get("PUSHFORWARD_DATA")
        return Mesh.read(Path(folder) / path if folder and not path.is_file() else path)

    def load(self) -> Dataset:
        """Streams for train and test."""
        points = Stream(MeshDensity.eigenfunction(self.mesh(), self.function))
        return Dataset(train=points, test=points, name=Path(self.path).stem, columns=("x", "y", "z"))
