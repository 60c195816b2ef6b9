"""Points on spheres, tori, rigid motions and meshes: units, splits, conventions, and downloads."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from pushforward.config import build, describe
from pushforward.core import InvalidInput
from pushforward.data import BasePairSteps, EarthPoints, Loader, MeshDensity, MeshFile, Torsions, step_motion
from pushforward.data.loaders import earth_points
from pushforward.spaces import SE3, Mesh, Sphere, Torus

F64 = torch.float64
close = torch.testing.assert_close


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small `$PUSHFORWARD_DATA`."""
    home, rng = tmp_path / "manifold", np.random.default_rng(0)
    home.mkdir()
    places = np.array([[0, 0], [0, 90], [90, 12], [-90, 0], [0, 180], *rng.uniform(-90, 90, (15, 2))], np.float32)
    np.savez(home / "earth_latlon.npz", **dict.fromkeys(("volcano", "earthquake", "flood", "fire"), places))
    angles = rng.uniform(-180, 180, (12, 6)).astype(np.float32)
    angles[0] = [-180, 180, 0, -1e-6, 90, -90]
    np.savez(home / "torsion_top8000.npz", lys=angles, lys_split=np.repeat([0, 1, 2], [7, 3, 2]).astype(np.int8))
    steps = rng.normal(size=(40, 6)).astype(np.float32)
    names = np.array([a + b for a in "ACGU" for b in "ACGU"])
    np.savez(
        home / "se3_basepair_steps.npz", rna=steps, rna_step=(np.arange(40) % 16).astype(np.int8), step_names=names
    )
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    return home


def everything(data):
    return data.train.take(99)[0], data.test.take(99)[0]


def test_places_become_unit_vectors(folder):
    train, test = everything(EarthPoints("fire").load())
    assert (len(train), len(test)) == (16, 2)
    x = torch.cat([train, test, EarthPoints("fire", validation=True).load().test.take(99)[0]])
    assert len(x.unique(dim=0)) == 20  # three parts without a row in common
    close(Sphere().project(x), x)
    for wanted in ([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [-1, 0, 0]):
        assert (x - torch.tensor(wanted)).norm(dim=1).min() < 1e-6
    assert not torch.equal(train, everything(EarthPoints("fire", seed=1).load())[0])


def test_places_are_read_as_their_source_has_them(tmp_path, monkeypatch):
    import hashlib

    monkeypatch.delenv("PUSHFORWARD_DATA", raising=False)
    monkeypatch.setenv("PUSHFORWARD_CACHE", str(tmp_path / "cache"))
    rows = "".join(f"{k},-{k}.5\n" for k in range(20))
    file = tmp_path / "flood.csv"
    file.write_text(f"# a comment\nlat,long\n{rows}")
    monkeypatch.setattr(earth_points, "_URL", tmp_path.as_uri() + "/")
    md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(earth_points._FILES, "flood", ("flood.csv", md5))
    train, test = everything(EarthPoints("flood").load())
    assert len(train) + len(test) == 18
    latitude = torch.cat([train, test])[:, 2].asin().rad2deg()
    close(latitude, latitude.round(), rtol=0, atol=1e-4)


def test_torsions_are_points_of_a_torus(folder):
    data = Torsions("lys").load()
    train, test = everything(data)
    assert (train.shape, test.shape) == ((7, 6), (2, 6))
    assert data.columns == ("phi", "psi", "chi1", "chi2", "chi3", "chi4")
    assert ((train >= 0) & (train < 2 * math.pi)).all()
    close(Torus().project(train), train)
    close(train[0], torch.tensor([math.pi, math.pi, 0.0, 2 * math.pi - 2e-8, math.pi / 2, 3 * math.pi / 2]) % 6.2831853)
    assert everything(Torsions("lys", backbone=True, validation=True).load())[1].shape == (3, 2)


def test_steps_are_states_of_se3(folder):
    data = BasePairSteps("rna", length=2.0).load()
    x, label = data.train.take(99)
    assert (data.classes, data.class_names[5]) == (16, "CC")
    assert label.max() < 16
    close(SE3().project(x), x, rtol=0, atol=1e-6)
    assert SE3().dimension(x) == 6
    again, _ = BasePairSteps("rna", labels=False).load().train.take(99)
    close(2 * x["shift"], again["shift"])


def test_the_motion_of_a_step_is_that_of_el_hassan_and_calladine():
    """Their three rotations, and the other strand, whose step is the way back seen from frames with y and z turned."""
    g = torch.Generator().manual_seed(0)
    p = torch.randn(50, 6, generator=g, dtype=F64) * torch.tensor([1, 1, 3, 0.5, 0.5, 0.8])
    motion = step_motion(p)
    for row, s, r in zip(p, motion["shift"], motion["rotation"], strict=True):
        tilt, roll, twist = row[3:].tolist()
        bend, phi = math.hypot(tilt, roll), math.atan2(tilt, roll)
        z = lambda a: torch.tensor(
            [[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]], dtype=F64
        )
        y = lambda a: torch.tensor(
            [[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]], dtype=F64
        )
        close(r, z(twist / 2 - phi) @ y(bend) @ z(twist / 2 + phi))
        close(s, z(twist / 2 - phi) @ y(bend / 2) @ z(phi) @ row[:3])
    other = step_motion(p * torch.tensor([-1, 1, 1, -1, 1, 1]))
    turn = torch.diag(torch.tensor([1.0, -1, -1], dtype=F64))
    back = motion["rotation"].mT
    close(other["rotation"], turn @ back @ turn)
    close(other["shift"], -(turn @ back @ motion["shift"][..., None])[..., 0])


def test_draws_on_a_mesh_have_their_density():
    """Counts in the faces (chi-squared at the level of 1e-4), and the mean of log p - log p of a linear density."""
    mesh, n = Mesh.icosphere(1), 40_000
    density = MeshDensity(mesh, 1.2 + mesh.vertices[:, 2])
    x = density.sample(n, generator=torch.Generator().manual_seed(0)).double()
    where = mesh.locate(x)
    close(mesh.point(where), x, rtol=0, atol=1e-6)
    corners = mesh.vertices[mesh.faces]
    mass = mesh.areas * (1.2 + corners[..., 2].mean(1))
    assert stats.chisquare(where.face.bincount(minlength=80), (mass / mass.sum() * n).numpy()).pvalue > 1e-4
    # E[z] = int z (1.2 + z) / int (1.2 + z); on a face int z^2 = area (sum z_i^2 + (sum z_i)^2) / 12
    z = corners[..., 2]
    square = mesh.areas * (z.square().sum(1) + z.sum(1).square()) / 12
    exact = float((square + 1.2 * mesh.areas * z.mean(1)).sum() / mass.sum())
    assert abs(float(x[:, 2].mean()) - exact) < 5 * float(x[:, 2].std()) / math.sqrt(n)
    uniform = mesh.noise(torch.empty(20_000, 3, dtype=F64), generator=torch.Generator().manual_seed(1))
    p = density.log_prob(uniform).exp() * mesh.area
    assert abs(float(p.mean()) - 1) < 5 * float(p.std()) / math.sqrt(20_000)


def test_an_eigenfunction_is_loaded_from_a_file(folder):
    v, f = Mesh.icosphere(2).vertices, Mesh.icosphere(2).faces
    lines = [f"v {' '.join(map(str, row.tolist()))}" for row in v] + [
        f"f {' '.join(str(k + 1) for k in row.tolist())}" for row in f
    ]
    (folder / "spot.obj").write_text("\n".join(lines))
    loader = MeshFile(function=3)
    data = loader.load()
    x, _ = data.train.batch(0, 50, seed=0)
    close(loader.mesh().project(x), x, rtol=0, atol=1e-6)
    density = MeshDensity.eigenfunction(loader.mesh(), 3)
    assert density.log_prob(x).isfinite().all()
    assert (data.name, data.shape) == ("spot", (3,))


@pytest.mark.parametrize(
    "loader", [EarthPoints("flood", 3), Torsions("his"), BasePairSteps("rna", 2.0), MeshFile("a.obj", 4)], ids=str
)
def test_they_are_written_and_read_back(loader):
    assert build(describe(loader), Loader, "data") == loader


def test_what_is_not_there_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    for make, match in (
        (lambda: EarthPoints("vulcano"), "did you mean volcano"),
        (lambda: Torsions("lysine"), "did you mean lys"),
        (lambda: BasePairSteps("xna"), "unknown kind"),
        (lambda: BasePairSteps(length=0.0), "length is 0"),
        (Torsions().load, "torsion_top8000.npz"),
        (BasePairSteps().load, "se3_basepair_steps.npz"),
        (MeshFile().load, "not a file"),
        (lambda: MeshDensity(Mesh.icosphere(0), torch.zeros(12)), "no value is positive"),
        (lambda: MeshDensity(Mesh.icosphere(0), torch.ones(11)), r"\[11\], expected \[12\]"),
        (lambda: MeshDensity.eigenfunction(Mesh.icosphere(1), 0), "number is 0"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
