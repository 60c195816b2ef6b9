"""Meshes whose geometry is known."""

import math

import torch
from torch import Tensor

__all__ = ["icosphere"]


def icosphere(level: int) -> tuple[Tensor, Tensor]:
    """The unit sphere from an icosahedron whose faces are cut into four `level` times: 10 * 4^level + 2 vertices.

    Example:
        >>> [len(part) for part in icosphere(2)]
        [162, 320]
    """
    g = (1 + math.sqrt(5)) / 2
    corners = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0)]
    vertices = torch.tensor(
        [*corners, *((z, x, y) for x, y, z in corners), *((y, z, x) for x, y, z in corners)], dtype=torch.float64
    )
    near = torch.cdist(vertices, vertices) < 2.1  # edges of the icosahedron have length 2
    triples = torch.combinations(torch.arange(12), 3)
    a, b, c = triples.unbind(1)
    faces = triples[near[a, b] & near[b, c] & near[a, c]]
    outward = torch.linalg.det(vertices[faces]) > 0
    faces = torch.where(outward[:, None], faces, faces[:, [0, 2, 1]])
    vertices = torch.nn.functional.normalize(vertices)
    for _ in range(level):
        a, b, c = faces.unbind(1)
        edges = torch.cat([torch.stack(edge, 1) for edge in ((a, b), (b, c), (c, a))]).sort(1).values
        edges, middle = edges.unique(dim=0, return_inverse=True)
        ab, bc, ca = (len(vertices) + middle).chunk(3)
        vertices = torch.cat([vertices, torch.nn.functional.normalize(vertices[edges].sum(1))])
        faces = torch.cat([torch.stack(f, 1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return vertices, faces
