"""A surface made of triangles."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from weakref import ref

import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree
from torch import Tensor

from pushforward.core import (
    Gen,
    InvalidInput,
    State,
    align,
    batch_size,
    dot,
    leaves,
    like,
    map_state,
    rand,
    randn_like,
    require,
)
from pushforward.spaces.meshes.closest import Location, Triangles, closest
from pushforward.spaces.meshes.laplacian import eigenpairs
from pushforward.spaces.meshes.obj import read_obj
from pushforward.spaces.meshes.shapes import icosphere

__all__ = ["Mesh"]


class _Geometry(NamedTuple):
    """What every question needs, on one device and in one dtype."""

    corners: Tensor  # [F, 3, D]
    triangles: Triangles
    projector: Tensor  # [F, D, D], on the plane of a face
    slopes: Tensor  # [F, 3, D], gradients of the three corners' weights
    shares: Tensor  # [F], areas summed up to a face, as shares of the whole


@dataclass(frozen=True, eq=False, repr=False)
class Mesh:
    r"""The surface of a triangle mesh in R^D: what moves on it is brought back to the closest point.

    .. math:: \mathrm{move}(x, u, dt) = \pi(x + dt\, u), \qquad
              \pi(y) = \operatorname*{argmin}_{z \in \text{mesh}} |y - z|, \qquad P_x u = \text{part of } u
              \text{ in the plane of the face of } x

    Its noise is uniform by area. Points are ambient coordinates, an isometric embedding of every face. There is no
    logarithm, so that a `Geodesic` path is refused; `Premetric` descends a distance instead. Directions jump from face
    to face, so that no solver is of higher order than Euler's.

    The closest point is exact (see `meshes.closest`). It is differentiable in reverse mode, with the face held fixed.

    Source: Chen & Lipman, Flow Matching on General Geometries (ICLR 2024), https://arxiv.org/abs/2302.03660, and its
        code, https://github.com/facebookresearch/riemannian-fm.

    Args:
        vertices: `[V, D]`, D >= 2; finite, each a corner of some face.
        faces: `[F, 3]`, numbers of the corners.

    Shapes: states and motions `[B, *M, D]`; the axes M, and the leaves of a mapping, make products of the surface.
    Raises: `InvalidInput` for faces that name no vertex, have no area, or leave vertices over; for states of another
        width.

    Example:
        >>> ball = Mesh.icosphere(2)
        >>> x = ball.noise(torch.empty(5, 3), generator=torch.Generator().manual_seed(0))
        >>> torch.equal(ball.project(x), ball.move(x, torch.zeros(5, 3), torch.ones(5)))
        True
        >>> round(ball.area / (4 * torch.pi), 2)
        0.98
    """

    vertices: Tensor
    faces: Tensor
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        v, f = self.vertices, self.faces
        require(
            v.ndim == 2 and v.shape[1] >= 2 and f.ndim == 2 and f.shape[1] == 3 and len(f) > 0,
            f"vertices have shape {list(v.shape)} and faces {list(f.shape)}, expected [V, D] and [F, 3]",
        )
        require(not f.is_floating_point(), f"faces are {f.dtype}, expected whole numbers; use faces.long()")
        require(bool(v.isfinite().all()), "a vertex is not finite; mend the mesh")
        low, high = int(f.min()), int(f.max())
        require(low >= 0 and high < len(v), f"faces name vertices {low} to {high}, expected 0 to {len(v) - 1}")
        left = len(v) - len(f.unique())
        require(left == 0, f"{left} of {len(v)} vertices belong to no face; leave them out")
        # kept where they are computed with: search, factorisation and eigenpairs are the CPU's
        object.__setattr__(self, "vertices", v.detach().double().cpu())
        object.__setattr__(self, "faces", f.detach().long().cpu())
        flat = self.areas <= 1e-14 * self.areas.max()
        require(not bool(flat.any()), f"{int(flat.sum())} faces have no area (first: {int(flat.int().argmax())})")

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices)} vertices, {len(self.faces)} faces)"

    @classmethod
    def read(cls, path: str | Path) -> "Mesh":
        """From an OBJ file."""
        return cls(*read_obj(path))

    @classmethod
    def icosphere(cls, level: int) -> "Mesh":
        """The unit sphere, with 20 * 4^level faces."""
        return cls(*icosphere(level))

    @property
    def areas(self) -> Tensor:
        """Of the faces, `[F]`."""
        a, b, c = self.vertices[self.faces].unbind(1)
        u, v = b - a, c - a
        return ((u * u).sum(1) * (v * v).sum(1) - (u * v).sum(1).square()).clamp_min(0).sqrt() / 2

    @property
    def area(self) -> float:
        """Of the whole surface."""
        return float(self.areas.sum())

    @property
    def reach(self) -> float:
        """How far two vertices are apart along edges, at most: found from one of them, so at least half of it."""
        if "reach" not in self._known:
            edges = torch.cat([self.faces[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))]).sort(1).values.unique(dim=0)
            length = (self.vertices[edges[:, 0]] - self.vertices[edges[:, 1]]).norm(dim=1)
            graph = sp.coo_matrix((length.numpy(), edges.T.numpy()), shape=(len(self.vertices),) * 2).tocsr()
            start = int(dijkstra(graph, directed=False, indices=0).argmax())
            self._known["reach"] = float(dijkstra(graph, directed=False, indices=start).max())
        return self._known["reach"]

    def eigenpairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Eigenvalues `[k]` and functions `[V, k]` of the surface, k <= count; see `meshes.eigenpairs`."""
        if ("modes", count) not in self._known:
            self._known["modes", count] = eigenpairs(self.vertices, self.faces, count)
        return self._known["modes", count]

    def _at(self, x: Tensor) -> _Geometry:
        key = x.device, x.dtype
        if key not in self._known:
            corners = self.vertices[self.faces]
            triangles = Triangles.of(corners)
            edges = torch.stack([triangles.first, triangles.second], 1)
            dual = torch.linalg.solve(edges @ edges.mT, edges)  # rows: gradients of the weights of corners 1 and 2
            slopes = torch.cat([-dual.sum(1, keepdim=True), dual], 1)
            to = lambda part: part.to(x.device, x.dtype)
            self._known[key] = _Geometry(
                corners=to(corners),
                triangles=Triangles(*map(to, triangles)),
                projector=to(edges.mT @ dual),
                slopes=to(slopes),
                shares=to(self.areas.cumsum(0) / self.area),
            )
        return self._known[key]

    def _search(self) -> tuple[KDTree, float]:
        """A tree of the centroids, and the longest way from one to a corner."""
        if "tree" not in self._known:
            corners = self.vertices[self.faces]
            centroids = corners.mean(1)
            radius = float((corners - centroids[:, None]).norm(dim=2).max())
            self._known["tree"] = KDTree(centroids.numpy()), radius
        return self._known["tree"]

    def _points(self, x: Tensor) -> Tensor:
        """`[B, *M, D]` as `[N, D]`, in a dtype that a search may use."""
        if x.ndim < 2 or x.shape[-1] != self.vertices.shape[1]:
            raise InvalidInput(
                f"x has shape {list(x.shape)}, expected points [B, {self.vertices.shape[1]}] of the mesh"
            )
        return x.detach().reshape(-1, x.shape[-1]).to(torch.promote_types(x.dtype, torch.float32))

    def locate(self, x: Tensor) -> Location:
        """Faces `[N]` and corner weights `[N, 3]` of the closest points, for N = B * M points."""
        found = self._known.get("last")
        if found is not None and found[0]() is x and not x.is_inference() and found[1] == x._version:
            return found[2]
        flat = self._points(x)
        require(bool(flat.isfinite().all()), "a point is not finite; take smaller steps or mend the field")
        return self._remember(x, closest(flat, self._at(flat).triangles, *self._search()))

    def _remember(self, x: Tensor, where: Location) -> Location:
        """Keep the answer for this very tensor, of which one step asks for face, tangents and gradients."""
        if not x.is_inference():  # such tensors have no version, which would tell of changes in place
            self._known["last"] = ref(x), x._version, where
        return where

    def point(self, where: Location) -> Tensor:
        """The points `[N, D]` of locations."""
        return (where.weights[..., None] * self._at(where.weights).corners[where.face]).sum(1)

    def evaluate(self, values: Tensor, where: Location) -> Tensor:
        """A function known at the vertices `[V, *C]`, linear on every face, at locations: `[N, *C]`."""
        corners = values[self.faces.to(values.device)[where.face]]
        return (align(where.weights.to(values.dtype), corners) * corners).sum(1)

    def project(self, x: State) -> State:
        """The closest point of the surface."""
        return map_state(self._project, x)

    def _project(self, x: Tensor) -> Tensor:
        where = self.locate(x)
        y = like(self.point(where).reshape(x.shape), x)
        if x.requires_grad:
            y = y + self._along(where, x - x.detach())
        if y.dtype == where.weights.dtype:  # rounded, a point may be nearer to another face
            self._remember(y, where)
        return y

    def _along(self, where: Location, u: Tensor) -> Tensor:
        """The part of `u` along the face, or along the edge on which a point is; nothing at a corner."""
        geometry, held = self._at(where.weights), where.weights > 0
        part = torch.einsum("nij,nj->ni", geometry.projector[where.face], u.reshape(-1, u.shape[-1]).to(where.weights))
        across = geometry.slopes[where.face] * (~held)[..., None]  # at an edge: normal to it, in the face
        for normal in across.unbind(1):
            size = normal.square().sum(1, keepdim=True).clamp_min(1e-30)
            part = part - (part * normal).sum(1, keepdim=True) / size * normal
        return (part * (held.sum(1, keepdim=True) > 1)).reshape(u.shape)

    def tangent(self, x: State, u: State) -> State:
        """The part of `u` in the plane of the face of `x`."""
        return map_state(self._in_plane, x, u)

    def _in_plane(self, x: Tensor, u: Tensor) -> Tensor:
        face, flat = self.locate(x).face, u.reshape(-1, u.shape[-1])
        return torch.einsum("nij,nj->ni", self._at(flat).projector[face], flat).reshape(u.shape)

    def gradient(self, where: Location, values: Tensor) -> Tensor:
        """The gradient `[N, D]` of a function that has `values` `[N, 3]` at the corners of the faces of locations."""
        return torch.einsum("nc,ncd->nd", values, self._at(values).slopes[where.face])

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """The point of the surface that is closest to x + dt u."""
        return map_state(lambda p, q: self._project(like(torch.addcmul(p, align(dt, q), q), p, q)), x, u)

    def exp(self, x: State, u: State) -> State:
        """`move` for unit time; close to the geodesic for steps below the size of a face."""
        return map_state(lambda p, q: self._project(p + q), x, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Dot product `[B]`."""
        return dot(u, v)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Uniform by area."""
        return map_state(lambda p: self._noise(p, generator), like)

    def _noise(self, shaped: Tensor, generator: Gen) -> Tensor:
        flat = self._points(shaped)
        pick, r, s = rand((3, len(flat)), flat, generator=generator).to(flat.dtype)
        geometry = self._at(flat)
        face = torch.searchsorted(geometry.shares, pick).clamp_max(len(self.faces) - 1)
        r = r.sqrt()  # two uniform numbers fold onto a triangle evenly
        x = self.point(Location(face, torch.stack([1 - r, r * (1 - s), r * s], 1)))
        return x.reshape(shaped.shape).to(shaped.dtype)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the noise against area: -log(area) for every copy, in nats."""
        return self.log_volume(x) - self.dimension(x) / 2 * math.log(self.area)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal vectors in the plane of the face of x."""
        return self.tangent(x, map_state(lambda p: randn_like(p, generator=generator), x))

    def log_volume(self, x: State) -> Tensor:
        """0: faces are embedded isometrically."""
        return leaves(x)[0].new_zeros(batch_size(x))

    def dimension(self, x: State) -> int:
        """2 for every copy."""
        return sum(2 * math.prod(p.shape[1:-1]) for p in leaves(x))
