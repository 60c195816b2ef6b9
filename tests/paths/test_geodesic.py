"""Geodesic paths: laws over all spaces, and the closed form of one target on a sphere."""

import math

import pytest
import torch

from pushforward.core import Incompatible, Pairs, jvp
from pushforward.fields import Velocity, hear
from pushforward.paths import Affine, Geodesic, Mirror, Polynomial
from pushforward.spaces import SO3, SPD, Euclidean, LogEuclidean, Lorentz, Poincare, Sphere, Torus

EVENTS = {
    Sphere(): (3,),
    Torus(): (2,),
    Lorentz(): (3,),
    Poincare(): (2,),
    SPD(): (2, 2),
    LogEuclidean(): (2, 2),
    SO3(): (2, 3, 3),
}
each = pytest.mark.parametrize("space", EVENTS, ids=lambda space: type(space).__name__)
TIMES = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64)


def pairs_of(space, b=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    like = torch.empty(b, *EVENTS[space], dtype=torch.float64)
    return Pairs((space.noise(like, generator=g), space.noise(like, generator=g)))


@each
@pytest.mark.parametrize("schedule", [None, Polynomial(2.0)], ids=str)
def test_the_velocity_is_the_derivative_tangent_and_as_long_as_the_way(space, schedule):
    path, pairs = Geodesic(space) if schedule is None else Geodesic(space, schedule), pairs_of(space)
    c = path.schedule(TIMES)
    _, change = jvp(lambda t: path.sample(pairs, t).x, (TIMES,), (torch.ones_like(TIMES),))
    point = path.sample(pairs, TIMES)
    v = path.velocity(point)
    torch.testing.assert_close(v, change)
    torch.testing.assert_close(space.tangent(point.x, v), v)
    speed = space.inner(point.x, v, v).sqrt()
    torch.testing.assert_close(speed, c.d_alpha * space.distance(*pairs.anchors))
    # d/dt = kappa' / (1 - kappa) log to the target, where that is not 0/0
    inner = slice(0, 4)
    torch.testing.assert_close(
        path.drift(Velocity().law(pairs.x1, point.x, TIMES), point.x, TIMES)[inner], v[inner], rtol=1e-6, atol=1e-8
    )


@each
def test_ends_meet_the_anchors(space):
    pairs = pairs_of(space)
    for t, anchor in ((0.0, pairs.x0), (1.0, pairs.x1)):
        x = Geodesic(space).sample(pairs, torch.full((5,), t, dtype=torch.float64)).x
        torch.testing.assert_close(x, anchor)


def test_on_flat_space_it_is_the_affine_path_and_on_a_torus_so_within_half_a_turn():
    g = torch.Generator().manual_seed(0)
    x0, x1 = (torch.rand(5, 2, dtype=torch.float64, generator=g) * 3 for _ in range(2))
    flat = Affine().sample(Pairs((x0, x1)), TIMES)
    for space in (Euclidean(), Torus()):
        point = Geodesic(space).sample(Pairs((x0, x1)), TIMES)
        torch.testing.assert_close(point.x, flat.x)
        torch.testing.assert_close(Geodesic(space).velocity(point), Affine().velocity(flat))


@pytest.mark.parametrize(("t", "expected"), [(0.7, 0.8724095), (0.3, 0.4041321)])
def test_uniform_points_that_travel_to_one_target(t, expected):
    """E cos(angle to the target) = (1 + cos a pi) / (2 (1 - a^2)), a = 1 - t: polar angles shrink by a."""
    n = 200_000
    x0 = Sphere().noise(torch.empty(n, 3, dtype=torch.float64), generator=torch.Generator().manual_seed(0))
    north = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).expand(n, 3)
    x = Geodesic(Sphere()).sample(Pairs((x0, north)), torch.full((n,), t, dtype=torch.float64)).x
    a = 1 - t
    assert abs((1 + math.cos(a * math.pi)) / (2 * (1 - a * a)) - expected) < 1e-6
    assert abs(float(x[:, 2].mean()) - expected) < 4 * float(x[:, 2].std()) / n**0.5


@each
def test_what_a_network_says_is_read_as_a_tangent_vector(space):
    """Told features, it answers as many numbers; the motion is tangent, and what it says of features comes back."""
    x = pairs_of(space).x0
    told = space.features(x) if hasattr(space, "features") else x
    out = torch.randn(told.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(3))
    law = hear(lambda x, t, cond: out, x, TIMES, head=Velocity(), path=Geodesic(space))
    torch.testing.assert_close(space.tangent(x, law.mean), law.mean)
    assert law.loss(law.mean).abs().max() == 0
    if hasattr(space, "features"):
        _, seen = jvp(space.features, (x,), (law.mean,))
        _, of_seen = jvp(space.features, (x,), (space.motion(x, seen),))
        torch.testing.assert_close(of_seen, seen)


def test_refusals():
    with pytest.raises(Incompatible, match="goes from"):
        Geodesic(Sphere(), Mirror())
