"""Wavefront OBJ files: corners and triangles."""

from pathlib import Path

import torch
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["read_obj"]


def read_obj(path: str | Path) -> tuple[Tensor, Tensor]:
    """Vertices `[V, 3]` (float64) and faces `[F, 3]` (int64) of an OBJ file; textures, normals and groups are skipped.

    Polygons are cut into fans of triangles; negative numbers count from the end, as the format has it.

    Raises: `InvalidInput` for a file that is not there, or holds something else.
    """
    path = Path(path).expanduser()
    require(path.is_file(), f"{path} is not a file; check the path")
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    line = ""
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, *words = line.split() or [""]
            if kind == "v":
                x, y, z = (float(word) for word in words[:3])
                vertices.append([x, y, z])
            elif kind == "f":
                given = (int(word.partition("/")[0]) for word in words)
                first, *rest = (k - 1 if k > 0 else len(vertices) + k for k in given)
                faces += [(first, rest[k], rest[k + 1]) for k in range(len(rest) - 1)]
    except ValueError as error:
        raise InvalidInput(f"{path} cannot be read as OBJ at {line[:40]!r} ({error}); save the mesh again") from error
    require(bool(vertices and faces), f"{path} has {len(vertices)} vertices and {len(faces)} faces, expected some")
    return torch.tensor(vertices, dtype=torch.float64), torch.tensor(faces)
