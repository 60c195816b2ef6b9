"""The closest point of a triangle mesh."""

from typing import NamedTuple

import torch
from scipy.spatial import KDTree
from torch import Tensor

__all__ = ["Location", "Triangles", "closest"]

_FIRST = 24  # faces looked at first; nine of ten points on a mesh are certain of theirs then
_BLOCK = 1 << 21  # pairs of point and face at a time


class Location(NamedTuple):
    """Where points are on a mesh: their faces `[N]` and the weights of the three corners `[N, 3]`, which sum to 1."""

    face: Tensor
    weights: Tensor


class Triangles(NamedTuple):
    """Faces as corner, edges `[F, D]` and the inverse metric of the two edges, its three entries `[F]` each."""

    corner: Tensor
    first: Tensor
    second: Tensor
    metric: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, corners: Tensor) -> "Triangles":
        """From corners `[F, 3, D]`."""
        a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
        return cls(a, u, v, torch.stack([uu, uv, vv]), torch.stack([vv, -uv, uu]) / (uu * vv - uv * uv))

    def on(self, x: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distance of points `x` `[N, 1, D]` from faces `[N, K]`, and the weights of the closest points.

        The foot on the plane if it is inside; otherwise the nearest of the feet on the three edges, clamped to them.
        """
        a, u, v = self.corner[face], self.first[face], self.second[face]
        (uu, uv, vv), (i, j, k) = self.metric[:, face], self.inverse[:, face]
        p = x - a
        pu, pv = (p * u).sum(-1), (p * v).sum(-1)
        s, t = i * pu + j * pv, j * pu + k * pv
        inside = (s >= 0) & (t >= 0) & (1 - s - t >= 0)
        on_u = (pu / uu).clamp(0, 1)
        on_v = (pv / vv).clamp(0, 1)
        on_w = ((pv - pu + uu - uv) / (uu - 2 * uv + vv)).clamp(0, 1)  # from the second corner to the third
        zero = torch.zeros_like(on_u)
        # squared distance less |p|^2: enough to compare edges of one face
        score = lambda s, t: s * (s * uu + 2 * t * uv - 2 * pu) + t * (t * vv - 2 * pv)
        best_s, best_t, best_r, least = on_u, zero, 1 - on_u, score(on_u, zero)
        for edge_s, edge_t, edge_r in ((zero, on_v, 1 - on_v), (1 - on_w, on_w, zero)):
            found = score(edge_s, edge_t)
            better = found < least
            best_s, best_t = torch.where(better, edge_s, best_s), torch.where(better, edge_t, best_t)
            best_r = torch.where(better, edge_r, best_r)
            least = torch.where(better, found, least)
        # the third weight is exactly 0 beyond its edge, which is how edges are told from faces
        r = torch.where(inside, 1 - s - t, best_r)
        s, t = torch.where(inside, s, best_s), torch.where(inside, t, best_t)
        square = (p - s[..., None] * u - t[..., None] * v).square().sum(-1)  # not by `score`, which cancels
        return square, torch.stack([r, s, t], -1)


def _nearest(x: Tensor, triangles: Triangles, face: Tensor) -> tuple[Tensor, Location]:
    """The nearest among the faces `[N, K]` that are given for every point: squared distance, and where."""
    square, weights = triangles.on(x[:, None], face)
    best = square.argmin(1, keepdim=True)
    return square.gather(1, best)[:, 0], Location(
        face.gather(1, best)[:, 0], weights.gather(1, best[..., None].expand(-1, -1, 3))[:, 0]
    )


def _whole(x: Tensor, triangles: Triangles) -> Location:
    """The nearest among all faces, a block of points at a time."""
    every = torch.arange(len(triangles.corner), device=x.device)
    parts = [
        _nearest(block, triangles, every.expand(len(block), -1))[1] for block in x.split(max(_BLOCK // len(every), 1))
    ]
    return Location(*(torch.cat(part) for part in zip(*parts, strict=True)))


def closest(x: Tensor, triangles: Triangles, tree: KDTree, radius: float) -> Location:
    """The face that is closest to each point, exactly, and the closest point on it.

    Candidates are the faces with the nearest centroids. A face farther than the k-th of these has no point nearer than
    (distance of the k-th centroid) - `radius`; where that is no less than the best distance found, the best is right.
    The points without this certificate are asked again with eight times the candidates, at last with all faces. On
    other devices than the CPU all faces are tried at once.

    Args:
        x: Points `[N, D]`.
        triangles: The faces, on the device and in the dtype of `x`.
        tree: Of the faces' centroids.
        radius: The longest way from a centroid to a corner of its face.
    """
    count = len(triangles.corner)
    if x.device.type != "cpu" or count <= _FIRST:
        return _whole(x, triangles)
    found = Location(torch.zeros(len(x), dtype=torch.int64), x.new_zeros(len(x), 3))
    open_rows, k = torch.arange(len(x)), _FIRST
    while len(open_rows) and k < count / 4:
        asked = x[open_rows]
        far, face = tree.query(asked.double().numpy(), k)
        square, there = _nearest(asked, triangles, torch.as_tensor(face))
        for whole, part in zip(found, there, strict=True):
            whole[open_rows] = part
        open_rows = open_rows[torch.as_tensor(far[:, -1]) - radius < square.double().sqrt()]
        k *= 8
    if len(open_rows):
        for whole, part in zip(found, _whole(x[open_rows], triangles), strict=True):
            whole[open_rows] = part
    return found
