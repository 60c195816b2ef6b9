"""The Laplace-Beltrami operator of a triangle mesh, and its slowest functions."""

import math

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from pushforward.core import Incompatible, require

__all__ = ["eigenpairs", "lumped_area", "stiffness"]


def _double_areas(vertices: Tensor, faces: Tensor) -> Tensor:
    u, v = (vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2))
    gram = (u * u).sum(1) * (v * v).sum(1) - (u * v).sum(1).square()
    return gram.clamp_min(0).sqrt()


def lumped_area(vertices: Tensor, faces: Tensor) -> Tensor:
    """A third of the area of the faces around every vertex, `[V]`: positive on any mesh, and its sum is the area."""
    third = _double_areas(vertices, faces) / 6
    return torch.zeros(len(vertices), dtype=third.dtype).index_add(0, faces.flatten(), third.repeat_interleave(3))


def stiffness(vertices: Tensor, faces: Tensor) -> sp.csc_array:
    r"""The cotangent matrix W `[V, V]`, positive semi-definite: f^T W f is the Dirichlet energy of f.

    .. math:: W_{ij} = -\tfrac12 (\cot\alpha_{ij} + \cot\beta_{ij}), \qquad W_{ii} = -\textstyle\sum_{j \ne i} W_{ij}

    with the angles that face the edge ij. Of the mesh it reads only lengths, so the vertices may be in any dimension.
    """
    n, double = len(vertices), _double_areas(vertices, faces)
    rows, columns, values = [], [], []
    for k in range(3):
        i, j, o = (faces[:, (k + shift) % 3] for shift in (1, 2, 0))
        cot = ((vertices[i] - vertices[o]) * (vertices[j] - vertices[o])).sum(1) / double
        rows += [i, j]
        columns += [j, i]
        values += [-cot / 2, -cot / 2]
    at = (torch.cat(rows).numpy(), torch.cat(columns).numpy())
    off = sp.coo_array((torch.cat(values).numpy(), at), shape=(n, n)).tocsc()
    return sp.csc_array(off - sp.diags_array(np.asarray(off.sum(1)).ravel()))


def eigenpairs(vertices: Tensor, faces: Tensor, count: int) -> tuple[Tensor, Tensor]:
    r"""The slowest functions of the mesh but the constant, at most `count`, cut at a gap of the spectrum.

    .. math:: W \phi_i = \lambda_i A \phi_i, \qquad \phi_i^\top A\, \phi_j = \delta_{ij}, \qquad 0 < \lambda_1 \le ...

    Edges of the mesh, if it has any, are free (Neumann). A cut through a multiplet would make sums over the functions
    depend on which of its members the solver found. So the cut is the widest gap within 2 sqrt(count) + 1 of `count`:
    the sphere, whose multiplets are the longest there are, has 2 l + 1 < 2 sqrt(count) + 1 equal eigenvalues there.

    Returns: eigenvalues `[k]`, functions at the vertices `[V, k]`, float64; of each function the largest value is > 0.
    Raises: `InvalidInput` for a count that is not positive, or not well below the number of vertices; `Incompatible`
        for a mesh of several parts, between which no function of positive eigenvalue tells a distance.
    """
    n = len(vertices)
    require(0 < count <= n - 3, f"got {count} eigenfunctions of a mesh with {n} vertices, expected 1 to {n - 3}")
    vertices = vertices.double()
    w, mass = stiffness(vertices, faces), lumped_area(vertices, faces)
    parts = int(connected_components(w, directed=False, return_labels=False))
    require(parts == 1, f"the mesh has {parts} parts that do not touch; give one of them", Incompatible)
    shift = -0.1 * math.pi / float(mass.sum())  # W is singular; a fraction of the first eigenvalue is enough
    start = np.random.default_rng(0).standard_normal(n)  # ARPACK's own is another at every call
    values, functions = eigsh(w, count + 2, sp.diags_array(mass.numpy(), format="csc"), sigma=shift, v0=start)
    order = np.argsort(values)
    values, functions = torch.as_tensor(values[order]), torch.as_tensor(functions[:, order])
    first = max(count - math.ceil(2 * math.sqrt(count)), 1)
    gaps = values[first + 1 : count + 2] - values[first : count + 1]  # after `first`, ..., `count` of them
    keep = first + int(gaps.argmax())
    values, functions = values[1 : keep + 1], functions[:, 1 : keep + 1]
    largest = functions.gather(0, functions.abs().argmax(0, keepdim=True))
    return values.clone(), functions * largest.sign()
