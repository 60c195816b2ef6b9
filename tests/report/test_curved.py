"""Pictures on spheres, tori and meshes: their scales, and what they count and hide."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pushforward import Flow
from pushforward.cli.sample import _png
from pushforward.core import InvalidInput
from pushforward.paths import Geodesic
from pushforward.report import on_earth, on_mesh, on_space, picture, png, ramachandran, report, save_figures
from pushforward.report.on_earth import _density
from pushforward.report.on_mesh import _seen, _turned
from pushforward.spaces import SO3, Euclidean, Mesh, Sphere, Torus

BALL = Mesh.icosphere(2)


def draws(n, seed=0):
    return Sphere().noise(torch.empty(n, 3, dtype=torch.float64), generator=torch.Generator().manual_seed(seed))


def test_the_density_on_the_earth_is_one_on_average():
    """Bumps have mass one: over 20,000 uniform points within 5 standard errors; of a single point, at its place too."""
    grid, x = draws(20_000).numpy(), draws(30, 1).numpy()
    found = _density(grid, x, 0.2)
    assert abs(found.mean() - 1) < 5 * found.std() / np.sqrt(len(grid))
    k = 0.2**-2
    np.testing.assert_allclose(_density(x[:1], x[:1], 0.2), 4 * np.pi * k / (2 * np.pi * (1 - np.exp(-2 * k))))


def test_only_what_faces_the_eye_is_seen():
    """On a ball, half of the points: those in front, but for the faces at the rim, which are 0.3 wide."""
    x = BALL.noise(torch.empty(2000, 3), generator=torch.Generator().manual_seed(0)).double().numpy()
    seen = _seen(x, BALL.vertices.numpy(), BALL.faces.numpy())
    assert seen[x[:, 2] > 0.2].all()
    assert not seen[x[:, 2] < -0.2].any()
    turned = _turned(30.0, 20.0)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turned), 1.0)
    np.testing.assert_allclose(_turned(0.0, 0.0), np.eye(3), atol=1e-12)


def test_outliers_are_counted_and_angles_wrapped():
    levels = np.zeros((180, 180))
    levels[90:, 90:] = 1.0  # phi and psi in [0, 180)
    x = np.deg2rad([[10.0, 10.0], [370.0, 90.0], [-10.0, 10.0], [10.0, 200.0]])
    figure = ramachandran(x, levels=levels)
    assert "50.00% outliers" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    "make",
    [
        lambda: on_earth(draws(20)),
        lambda: on_earth(draws(20), draws(5, 1)),
        lambda: ramachandran(draws(30), draws(9)),
        lambda: on_mesh(BALL.vertices, BALL.faces),
        lambda: on_mesh(BALL.vertices, BALL.faces, BALL.vertices[:, 0]),
        lambda: on_mesh(BALL.vertices, BALL.faces, BALL.vertices[:, 0], draws(20), views=((0.0, 0.0),)),
    ],
)
def test_pictures_are_drawn_the_same_each_time(make):
    assert png(make()) == png(make())
    figure = make()
    FigureCanvasAgg(figure).draw()
    assert all(np.isfinite(axes.get_position().bounds).all() for axes in figure.axes)


def test_what_cannot_be_drawn_is_said():
    for make, match in (
        (lambda: on_earth(torch.zeros(4, 2)), "rows of 2 values"),
        (lambda: ramachandran(torch.zeros(4, 1)), "phi and psi"),
        (lambda: ramachandran(torch.zeros(4, 2), levels=np.zeros((3, 4))), r"\[3, 4\], expected \[K, K\]"),
        (lambda: on_mesh(BALL.vertices, BALL.faces, torch.zeros(3)), r"\[3\], expected \[162\]"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()


def test_every_space_has_its_own_picture():
    """A map, a Ramachandran plot of the first two angles whatever their period, a surface; and none of flat points."""
    x, real = draws(20), draws(9, 1)
    assert png(on_space(Sphere(), x, real)) == png(on_earth(x, real))
    assert png(on_space(Torus(), x, real)) == png(ramachandran(x, real))
    turns = on_space(Torus(1.0), x[:, :2] / (2 * np.pi))
    assert png(turns) == png(ramachandran(x))
    hours = on_space(Torus((24.0, 1.0, 7.0)), x * torch.tensor([24.0, 1.0, 7.0]) / (2 * np.pi))
    assert png(hours) == png(ramachandran(x))
    assert png(on_space(BALL, x)) == png(on_mesh(BALL.vertices, BALL.faces, None, x))
    for space, rows in ((None, x), (Euclidean(), x), (Torus(), x[:, :1]), (Sphere(), x[:, :2]), (SO3(), x)):
        assert on_space(space, rows) is None
    assert png(picture(x, space=Sphere())) == png(on_earth(x))


@pytest.mark.parametrize(
    ("space", "width", "names"),
    [
        ({"type": "Sphere"}, 3, ["losses", "marginals", "samples"]),
        ("Torus", 2, ["losses", "samples"]),
        ({"type": "Torus", "period": 1.0}, 4, ["losses", "marginals", "samples"]),
        ({"type": "Euclidean"}, 2, ["losses", "samples", "trajectories"]),
        ("Unheard", 2, ["losses", "samples", "trajectories"]),
    ],
    ids=str,
)
def test_a_run_is_drawn_on_the_space_of_its_path(make_run, config, space, width, names):
    x = draws(30)[:, :width].numpy() if width < 4 else np.random.default_rng(0).random((30, width))
    samples = {"x": x, "real": x[:9], "trajectory": np.stack([x[:5], x[:5]]), "times": np.array([0.0, 1.0])}
    run = make_run(config={**config, "path": {"type": "Geodesic", "space": space}}, samples=samples)
    assert sorted(path.stem for path in save_figures(run)) == names


@pytest.mark.parametrize("space", [Sphere(), Torus()], ids=str)
def test_a_trained_flow_is_drawn_where_its_samples_live(space, tmp_path):
    x = space.noise(torch.empty(60, 3), generator=torch.Generator().manual_seed(0))
    net = {"type": "MLP", "width": 8, "depth": 1}
    flow = Flow(path=Geodesic(space), net=net, training={"steps": 2, "device": "cpu"}).fit(x)
    flow.save(tmp_path)
    made = flow.sample(40, steps=2)
    np.savez(tmp_path / "samples.npz", x=made, real=x)
    report(tmp_path)
    assert (tmp_path / "figures" / "samples.png").read_bytes() == png(on_space(space, made, x))
    assert _png({"x": made.numpy()}, flow) == png(on_space(space, made))
