"""Meshes: exact closest points, the Laplacian of the sphere and the flat torus, noise by area, files."""

import importlib
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial import Delaunay

from pushforward.core import Incompatible, InvalidInput, Smooth, Space
from pushforward.spaces import Mesh
from pushforward.spaces.meshes import eigenpairs, icosphere, lumped_area, read_obj, stiffness

F64 = torch.float64
close = torch.testing.assert_close
search = importlib.import_module("pushforward.spaces.meshes.closest")  # the room exports a function


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def uneven(level=3):
    """A sphere pulled into a pear, whose faces differ in size by a factor of ten."""
    vertices, faces = icosphere(level)
    return Mesh(vertices * (0.3 + (1 + vertices[:, :1]).square() / 2), faces)


def flat_torus(n):
    """A square torus of n x n cells in R^4, intrinsically flat."""
    k = torch.arange(n)
    angle = 2 * math.pi * k.double() / n
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    vertices = torch.cat([circle.repeat_interleave(n, 0), circle.repeat(n, 1)], 1)
    i, j = (grid.flatten() for grid in torch.meshgrid(k, k, indexing="ij"))
    at = lambda a, b: (i + a) % n * n + (j + b) % n
    lower, upper = (torch.stack([at(0, 0), at(1, a), at(a, 1)], 1) for a in (0, 1))
    upper = torch.stack([at(1, 0), at(1, 1), at(0, 1)], 1)
    return vertices, torch.cat([lower, upper])


def drawn(mesh, n, dtype=F64, seed=0):
    return mesh.noise(torch.empty(n, mesh.vertices.shape[1], dtype=dtype), generator=gen(seed))


def around(mesh, n, size=0.3, seed=1):
    return drawn(mesh, n) + size * torch.randn(n, mesh.vertices.shape[1], generator=gen(seed), dtype=F64)


def test_it_is_a_space_without_geodesics():
    mesh = Mesh.icosphere(0)
    assert isinstance(mesh, Space)
    assert not isinstance(mesh, Smooth)


@pytest.mark.parametrize("mesh", [Mesh.icosphere(0), uneven(), Mesh(*flat_torus(6))], ids=["icosahedron", "pear", "R4"])
def test_the_closest_point_solves_its_variational_inequality_and_no_other_is_nearer(mesh):
    """p is the nearest of a triangle if and only if (x - p) . (c - p) <= 0 for its three corners c."""
    x = around(mesh, 300)
    where = mesh.locate(x)
    p = mesh.point(where)
    assert (where.weights >= 0).all()
    close(where.weights.sum(1), torch.ones(300, dtype=F64))
    corners = mesh.vertices[mesh.faces[where.face]]
    assert (((x - p)[:, None] * (corners - p[:, None])).sum(2) <= 1e-12).all()
    others = torch.cat([mesh.vertices, drawn(mesh, 3000, seed=2)])
    assert ((x - p).norm(dim=1) <= torch.cdist(x, others).min(1).values + 1e-12).all()
    close(mesh.project(p), p, rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [0.0, 0.05, 1.0])
def test_candidates_are_certain_of_the_face_that_all_faces_give(size):
    """On the mesh, beside it, and far from it, where the tree alone is never certain."""
    mesh = uneven()
    x = around(mesh, 500, size)
    tree, radius = mesh._search()
    triangles = mesh._at(x).triangles
    ours, all_faces = search.closest(x, triangles, tree, radius), search._whole(x, triangles)
    close((x - mesh.point(ours)).norm(dim=1), (x - mesh.point(all_faces)).norm(dim=1), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, F64])
def test_motions_keep_dtype_and_stay_on_the_surface(dtype):
    mesh = uneven()
    x = mesh.noise(torch.empty(50, 2, 3, dtype=dtype), generator=gen())
    y = mesh.move(x, mesh.tangent(x, torch.ones_like(x)), torch.full((50,), 0.1))
    assert x.dtype == y.dtype == dtype
    assert x.shape == y.shape
    gap = (mesh.project(y) - y).norm(dim=2)
    assert gap.max() <= 4 * torch.finfo(dtype).eps  # coordinates are below 3
    assert torch.equal(x, mesh.noise(torch.empty(50, 2, 3, dtype=dtype), generator=gen()))


def test_tangents_are_the_derivative_of_the_projection():
    """Forwards by differences of the closest point, backwards by autograd: inside faces, and past edges and corners."""
    mesh, h = uneven(2), 1e-6
    on, off = drawn(mesh, 200), around(mesh, 200)
    for x in (on, off):
        where = mesh.locate(x)
        u = torch.randn(200, 3, generator=gen(3), dtype=F64)
        ahead, behind = mesh.locate(x + h * u), mesh.locate(x - h * u)
        same = ((ahead.weights > 0) == (where.weights > 0)).all(1) & ((behind.weights > 0) == (where.weights > 0)).all(
            1
        )
        same &= (ahead.face == where.face) & (behind.face == where.face)
        assert same.sum() > 80
        slope = (mesh.point(ahead) - mesh.point(behind)) / (2 * h)
        _, jvp = torch.autograd.functional.jvp(mesh.project, x, u, strict=False)
        close(jvp[same], slope[same], rtol=1e-6, atol=1e-8)
    close(mesh.tangent(on, u), torch.autograd.functional.jvp(mesh.project, on, u)[1])
    close(mesh.tangent(on, mesh.tangent(on, u)), mesh.tangent(on, u))


def test_noise_is_uniform_by_area():
    """Counts in the faces: chi-squared at the level of 1e-4; and in four parts of each face."""
    mesh, n = uneven(1), 40_000
    where = mesh.locate(drawn(mesh, n))
    counts = where.face.bincount(minlength=len(mesh.faces)).numpy()
    expected = (mesh.areas / mesh.area).numpy() * n
    assert expected.min() > 5
    assert stats.chisquare(counts, expected).pvalue > 1e-4
    quarter = torch.where(where.weights.max(1).values > 0.5, where.weights.argmax(1), 3).bincount().numpy()
    assert stats.chisquare(quarter, np.full(4, n / 4)).pvalue > 1e-4
    close(mesh.noise_log_prob(torch.zeros(2, 3, 3)), torch.full((2,), -3 * math.log(mesh.area)))


@pytest.mark.parametrize("shape", [icosphere(2), (uneven().vertices, uneven().faces), flat_torus(5)])
def test_the_laplacian_annihilates_constants_and_its_mass_is_the_area(shape):
    w, mass = stiffness(*shape), lumped_area(*shape)
    assert abs(w.sum(1)).max() <= 1e-12
    assert abs(w - w.T).max() <= 1e-12
    assert math.isclose(float(mass.sum()), Mesh(*shape).area, rel_tol=1e-12)


def test_linear_functions_of_the_plane_have_their_dirichlet_energy():
    """Area times slope squared, on any triangulation."""
    vertices = torch.rand(40, 2, generator=gen(), dtype=F64)
    faces = torch.as_tensor(Delaunay(vertices.numpy()).simplices, dtype=torch.int64)
    slope = torch.tensor([1.3, -0.4], dtype=F64)
    f = (vertices @ slope).numpy()
    energy = float(f @ (stiffness(vertices, faces) @ f))
    assert math.isclose(energy, Mesh(vertices, faces).area * float(slope @ slope), rel_tol=1e-10)


def test_the_sphere_has_its_spectrum():
    """l (l + 1), 2 l + 1 times, with an error of second order: edges halved, error quartered."""
    degrees = range(1, 5)
    exact = torch.cat([torch.full((2 * n + 1,), n * (n + 1.0), dtype=F64) for n in degrees])
    errors = []
    for level in (2, 3, 4):
        values, functions = eigenpairs(*icosphere(level), 30)
        assert len(values) == 24  # 30 would cut the multiplet of l = 5
        errors.append((values / exact - 1).abs())
        gram = functions.T @ (lumped_area(*icosphere(level))[:, None] * functions)
        close(gram, torch.eye(24, dtype=F64), rtol=0, atol=1e-10)
    assert errors[-1].max() < 0.01
    order = [torch.log2(a.max() / b.max()) for a, b in pairwise(errors)]
    assert all(1.8 < o < 2.2 for o in order)


def test_the_flat_torus_has_its_spectrum():
    """Right triangles give the five-point Laplacian: (4 sin^2(pi k / n) + 4 sin^2(pi m / n)) / h^2, to rounding."""
    n = 16
    k = np.arange(n)
    h = 2 * math.sin(math.pi / n)
    one = 4 * np.sin(math.pi * k / n) ** 2 / h**2
    exact = np.sort((one[:, None] + one).ravel())[1:]
    values, _ = eigenpairs(*flat_torus(n), 40)
    close(values, torch.as_tensor(exact[: len(values)]), rtol=1e-9, atol=0)
    length = n * h
    assert abs(values[0] / (4 * math.pi**2 / length**2) - 1) < math.pi**2 / n**2  # (pi / n)^2 / 3 + ...


def test_reach_is_the_way_across():
    """On the sphere edges lead at most a little around: between pi and 4 pi / 3."""
    assert math.pi * 0.98 < Mesh.icosphere(3).reach < 4 * math.pi / 3


def test_functions_are_linear_on_faces():
    mesh = uneven(2)
    where = mesh.locate(drawn(mesh, 100))
    close(mesh.evaluate(mesh.vertices, where), mesh.point(where))
    slope = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
    values = (mesh.vertices @ slope)[mesh.faces[where.face]]
    close(mesh.gradient(where, values), mesh.tangent(mesh.point(where), slope.expand(100, 3)))


def test_obj_files_are_read(tmp_path):
    path = tmp_path / "square.obj"
    path.write_text("# a square\nv 0 0 0\nv 1 0 0 1.0\nvt 0 0\nv 1 1 0\nv 0 1 0\n\nf 1/1 2/1/1 3//1 -1\n")
    vertices, faces = read_obj(path)
    assert vertices.shape == (4, 3)
    assert faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert Mesh.read(path).area == 1.0
    for text, match in (("v 0 0\n", "at 'v 0 0'"), ("v 0 0 0\n", "0 faces"), ("v 0 0 0\nf 1 a 2\n", "at 'f 1 a 2'")):
        path.write_text(text)
        with pytest.raises(InvalidInput, match=match):
            read_obj(path)
    with pytest.raises(InvalidInput, match="not a file"):
        read_obj(tmp_path / "none.obj")


def test_broken_meshes_are_refused():
    v, f = icosphere(0)
    for args, match in (
        ((v, f[:, :2]), r"\[20, 2\], expected"),
        ((v, f.double()), "whole numbers"),
        ((v * math.nan, f), "not finite"),
        ((v[:5], f), "expected 0 to 4"),
        ((torch.cat([v, v[:2]]), f), "2 of 14 vertices belong to no face"),
        ((v, torch.cat([f, f[:1, [0, 0, 1]]])), r"1 faces have no area \(first: 20\)"),
    ):
        with pytest.raises(InvalidInput, match=match):
            Mesh(*args)
    with pytest.raises(InvalidInput, match=r"\[4, 2\], expected points \[B, 3\]"):
        Mesh(v, f).project(torch.zeros(4, 2))
    with pytest.raises(InvalidInput, match="point is not finite"):
        Mesh(v, f).project(torch.full((4, 3), math.nan))
    with pytest.raises(Incompatible, match="2 parts"):
        eigenpairs(torch.cat([v, v + 3]), torch.cat([f, f + 12]), 4)
    with pytest.raises(InvalidInput, match="expected 1 to 9"):
        eigenpairs(v, f, 10)


def test_what_is_remembered_is_of_this_tensor_as_it_is():
    mesh = uneven(1)
    x = drawn(mesh, 20)
    first = mesh.locate(x)
    assert mesh.locate(x) is first
    assert mesh.locate(x.clone()) is not first
    x.neg_()
    close(mesh.point(mesh.locate(x)), mesh.project(x.clone()))
    y = mesh.project(x)
    close(mesh.point(mesh.locate(y)), y)
    assert not torch.equal(mesh.locate(y).face, first.face)


def test_leaves_of_a_mapping_are_copies():
    mesh = uneven(1)
    x = mesh.noise({"a": torch.empty(8, 3, dtype=F64), "b": torch.empty(8, 2, 3, dtype=F64)}, generator=gen())
    assert mesh.dimension(x) == 6
    close(mesh.noise_log_prob(x), torch.full((8,), -3 * math.log(mesh.area), dtype=F64))
    y = mesh.move(x, {k: torch.ones_like(leaf) for k, leaf in x.items()}, torch.full((8,), 0.1, dtype=F64))
    close(y["b"], mesh.project(x["b"] + 0.1))
    assert torch.equal(mesh.log_volume(x), torch.zeros(8, dtype=F64))
