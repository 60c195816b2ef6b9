"""Descent of distances: flat space in closed form, and d(x_t, x1) = kappa d(x0, x1) on a mesh."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, Path
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine, CondOT, Polynomial, Premetric
from pushforward.spaces import Euclidean, Mesh, SpectralDistance, Sphere

F64 = torch.float64
close = torch.testing.assert_close
norm = lambda x, y: (x - y).norm(dim=1)
square = lambda x, y: (x - y).square().sum(1)
BALL = Mesh.icosphere(3)
CURVED = Premetric(BALL, SpectralDistance(BALL, modes=48))


def flat(b=16, dim=3):
    g = torch.Generator().manual_seed(7)
    return Pairs(tuple(torch.randn(b, dim, generator=g, dtype=F64) for _ in range(2)))


def curved(b=64, dtype=F64):
    ends = (BALL.noise(torch.empty(b, 3, dtype=dtype), generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    return Pairs(tuple(ends), cond=torch.arange(b))


@pytest.mark.parametrize("schedule", [CondOT(), Polynomial(2)], ids=repr)
@pytest.mark.parametrize("distance", [None, norm], ids=["log", "autograd"])
@pytest.mark.parametrize("steps", [1, 7])
def test_the_geodesic_distance_gives_the_geodesic_path(distance, schedule, steps):
    """On flat space the affine path, after any number of steps."""
    path, exact = Premetric(Euclidean(), distance, schedule, steps), Affine(schedule)
    pairs, t = flat(), torch.linspace(0, 0.99, 16, dtype=F64)
    ours, theirs = path.sample(pairs, t), exact.sample(pairs, t)
    assert isinstance(path, Path)
    close(ours.x, theirs.x)
    close(path.velocity(ours), exact.velocity(theirs), rtol=1e-7, atol=1e-7)
    close(path.sample(pairs, torch.ones(16, dtype=F64)).x, pairs.x1)


def test_the_squared_distance_has_its_closed_form():
    """x_t = x1 + sqrt(kappa) (x0 - x1), with an error of first order in the steps."""
    pairs, t = flat(), torch.linspace(0.1, 0.9, 16, dtype=F64)
    exact = pairs.x1 + (1 - t).sqrt()[:, None] * (pairs.x0 - pairs.x1)
    errors = [(Premetric(Euclidean(), square, steps=n).sample(pairs, t).x - exact).abs().max() for n in (50, 100)]
    assert errors[0] < 0.02
    assert 1.8 < errors[0] / errors[1] < 2.2
    slope = -0.5 * (1 - t).rsqrt()[:, None] * (pairs.x0 - pairs.x1)
    path = Premetric(Euclidean(), square)
    close(path.velocity(path.sample(pairs, t)._replace(x=exact)), slope)


def test_on_a_mesh_the_distance_falls_evenly_as_steps_grow():
    """First order: four times the steps, a quarter of the median error, with room for kinks at edges."""
    pairs, t = curved(256), torch.linspace(0.2, 0.8, 256, dtype=F64)
    start = CURVED.distance(*pairs.anchors)
    errors = []
    for steps in (25, 100):
        point = Premetric(BALL, CURVED.distance, steps=steps).sample(pairs, t)
        close(BALL.project(point.x), point.x, rtol=0, atol=1e-12)
        errors.append(((CURVED.distance(point.x, pairs.x1) / start) - (1 - t)).abs().median())
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 2.5
    end = CURVED.sample(pairs, torch.ones(256, dtype=F64)).x
    assert (end - pairs.x1).norm(dim=1).quantile(0.95) < 0.05  # a third of an edge


def test_the_velocity_is_the_motion_of_the_simulation():
    """Over 1e-4 it changes by as much of itself; faces that are left at once are left out."""
    pairs, t = curved(), torch.tensor([0.3, 0.3001], dtype=F64).expand(64, 2)
    before, after = Premetric(BALL, CURVED.distance, steps=100).along(pairs, t).x.unflatten(0, (64, 2)).unbind(1)
    point = CURVED.sample(pairs, t[:, 0])._replace(x=before)
    u = CURVED.velocity(point)
    close(BALL.tangent(before, u), u)
    same = BALL.locate(before).face == BALL.locate(after).face
    assert same.sum() > 50
    close(((after - before) / 1e-4)[same], u[same], rtol=1e-3, atol=1e-3)
    assert CURVED.velocity(point._replace(t=torch.ones(64, dtype=F64))).isfinite().all()


def test_where_the_gradient_vanishes_the_speed_is_held():
    """At the antipode, where the spectral distance is largest and the field of the paper infinite."""
    x1 = BALL.vertices[:12]
    pairs = Pairs((-x1 + 1e-9, x1))
    zero = torch.zeros(12, dtype=F64)
    for fastest, bound in ((2.0, 2.0), (None, 5 * BALL.reach)):
        path = Premetric(BALL, CURVED.distance, fastest=fastest)
        u = path.velocity(path.sample(pairs, zero))
        assert (u.norm(dim=1) <= bound * (1 + 1e-9)).all()


def test_along_gives_the_states_of_one_simulation():
    pairs, t = curved(8), torch.tensor([0.1, 0.4, 0.9], dtype=F64) + torch.zeros(8, 1, dtype=F64)
    point = Premetric(BALL, CURVED.distance, steps=3).along(pairs, t)
    assert torch.equal(point.t, t.flatten())
    assert torch.equal(point.pairs.cond, torch.arange(8).repeat_interleave(3))
    first = Premetric(BALL, CURVED.distance, steps=1)
    close(point.x.unflatten(0, (8, 3))[:, 0], first.sample(pairs, t[:, 0]).x)
    whole = CURVED.along(pairs, t[:, 2:])
    close(whole.x, CURVED.sample(pairs, t[:, 2]).x)


def test_states_of_a_simulation_are_what_is_learned():
    """The conditional field of a single target has no loss, at the states and at their times."""
    asked = []

    def exact(x, t, cond):
        asked.append((x, t))
        return CURVED.velocity(
            CURVED.sample(target, target.x0.new_zeros(len(target.x0)))._replace(x=x, t=t, pairs=wide)
        )

    target = curved(8)._replace(cond=None)
    target = target._replace(anchors=(target.x0, target.x1[:1].repeat(8, 1)))
    wide = target.map(lambda leaf: leaf.repeat_interleave(5, 0))
    loss = FlowMatching(CURVED, states=5)(exact, target, generator=torch.Generator().manual_seed(0))
    assert float(loss.value) < 1e-24  # what projecting a tangent vector again rounds
    x, t = asked[0]
    assert x.shape == (40, 3)
    assert torch.equal((t.view(8, 5) * 5).floor(), torch.arange(5.0).expand(8, 5).to(F64))


def test_mappings_and_single_precision():
    pairs = flat()
    both = Pairs(tuple({"a": x[:, :1].float(), "b": x[:, 1:].float()} for x in pairs.anchors))
    t = torch.full((16,), 0.3)
    distance = lambda x, y: norm(torch.cat([x["a"], x["b"]], 1), torch.cat([y["a"], y["b"]], 1))
    path = Premetric(Euclidean(), distance)
    point = path.sample(both, t)
    assert point.x["a"].dtype == torch.float32
    close(torch.cat([point.x["a"], point.x["b"]], 1), Affine().sample(pairs, t.double()).x.float())
    close(path.velocity(point)["b"], (pairs.x1 - pairs.x0)[:, 1:].float(), rtol=1e-4, atol=1e-4)
    assert CURVED.sample(curved(4, torch.float32), torch.full((4,), 0.5)).x.dtype == torch.float32


def test_senseless_parts_are_refused():
    class Jumps:
        def move(self, x, u, dt, *, generator=None): ...
        def noise(self, like, *, generator=None): ...

    with pytest.raises(Incompatible, match="Jumps does not have"):
        Premetric(Jumps(), norm)
    with pytest.raises(Incompatible, match=r"Mesh has no logarithm .* SpectralDistance\(mesh\)"):
        Premetric(BALL)
    with pytest.raises(Incompatible, match="another mesh"):
        Premetric(Mesh.icosphere(3), CURVED.distance)
    with pytest.raises(InvalidInput, match="steps is 0"):
        Premetric(Euclidean(), steps=0)
    with pytest.raises(InvalidInput, match="fastest is -1"):
        Premetric(Euclidean(), fastest=-1.0)


@pytest.mark.parametrize("steps", [1, 5])
def test_on_the_sphere_the_geodesic_distance_gives_great_circles(steps):
    """The angle to x1 is (1 - t) of the whole, in the plane of both ends; by the logarithm and by autograd alike."""
    ball = Sphere()
    x0, x1 = (ball.project(end) for end in flat().anchors)
    t = torch.linspace(0.05, 0.9, 16, dtype=F64)
    exact = ball.exp(x0, t[:, None] * ball.log(x0, x1))
    speed = ball.distance(x0, x1)
    for distance in (None, ball.distance):
        path = Premetric(ball, distance, steps=steps)
        point = path.sample(Pairs((x0, x1)), t)
        close(point.x, exact, rtol=0, atol=1e-9)
        u = path.velocity(point)
        close(u.norm(dim=1), speed, rtol=1e-7, atol=0)
        close(u, ball.transport(x0, point.x, ball.log(x0, x1)), rtol=0, atol=1e-7)


def test_a_network_on_a_mesh_is_read_in_the_plane_of_the_face():
    """Its part across does not count: neither in the field nor in the loss, which is per free coordinate."""
    pairs = curved(8)._replace(cond=None)

    class Ones(torch.nn.Module):
        def forward(self, x, t, cond=None):
            return torch.ones_like(x)

    objective = FlowMatching(CURVED)
    t = torch.full((8,), 0.5, dtype=F64)
    point = CURVED.sample(pairs, t)
    u = objective.field(Ones())(point.x, t)
    close(u, BALL.tangent(point.x, torch.ones_like(point.x)))
    fit = objective.head.law_on(BALL, torch.ones_like(point.x), point.x, t).loss(CURVED.velocity(point))
    close(fit, (u - CURVED.velocity(point)).square().sum(1) / 2)
