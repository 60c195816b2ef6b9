"""Endpoints on curved spaces, and clocks of single parts."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, leaves, map_state
from pushforward.fields import Endpoint, GeodesicEndpoint, NetField, OwnClock, Velocity, hear
from pushforward.objectives import FlowMatching
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, Geodesic, Mixture, Polynomial, Premetric
from pushforward.solvers import RK4, Euler, solve
from pushforward.spaces import SE3, SO3, SPD, Euclidean, Lorentz, Mesh, Poincare, Sphere, Tokens, Torus

F64 = torch.float64
close = torch.testing.assert_close
FRAMES = {"shift": (4, 3), "rotation": (4, 3, 3)}
SPACES = [
    (Sphere(), (3,)),
    (Torus(), (2,)),
    (Lorentz(), (3,)),
    (Poincare(), (2,)),
    (SPD(), (2, 2)),
    (SO3(), (2, 3, 3)),
    (Euclidean(), (3,)),
    (SE3(), FRAMES),
]
each = pytest.mark.parametrize(("space", "event"), SPACES, ids=lambda v: type(v).__name__)
TIMES = torch.tensor([0.0, 0.2, 0.5, 0.85, 0.95], dtype=F64)


def draw(space, event, seed, b=5):
    events = event if isinstance(event, dict) else {"": event}
    blank = {name: torch.empty(b, *shape, dtype=F64) for name, shape in events.items()}
    blank = blank if isinstance(event, dict) else blank[""]
    return space.noise(blank, generator=torch.Generator().manual_seed(seed))


def scaled(c, u):
    return map_state(lambda p: c.reshape(-1, *[1] * (p.ndim - 1)) * p, u)


def said(space, x, way):
    """What a network says to mean a way: on the ball it speaks in units of the metric."""
    return way / space.motion(x, torch.ones_like(way)) if isinstance(space, Poincare) else way


@each
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_a_perfect_answer_has_no_loss_and_the_velocity_of_the_path(space, event, power):
    path, head = Geodesic(space, Polynomial(power)), GeodesicEndpoint()
    times = TIMES.clamp_min(0.05)
    point = path.sample(Pairs((draw(space, event, 0), draw(space, event, 1))), times)
    way = space.log(point.x, point.pairs.x1)
    net = lambda x, t, cond: said(space, x, way)
    law = hear(net, point.x, times, head=head, path=path)
    close(law.mean, point.pairs.x1)
    assert law.loss(head.target(path, point)).abs().max() < 1e-14
    close(head.velocity(path, law, point.x, times), path.velocity(point), rtol=1e-6, atol=1e-8)


@each
def test_the_loss_is_the_velocitys_times_a_weight(space, event):
    """(1 - t) v is the way, so that until `latest` both losses are one, whatever the network says within reach."""
    path, t = Geodesic(space), torch.full((5,), 0.6, dtype=F64)
    point = path.sample(Pairs((draw(space, event, 0), draw(space, event, 1))), t)
    u = space.tangent_noise(point.x, generator=torch.Generator().manual_seed(2))
    way = scaled(0.3 / space.inner(point.x, u, u).sqrt(), u)
    ours = hear(lambda x, t, c: way, point.x, t, head=GeodesicEndpoint(), path=path)
    theirs = hear(lambda x, t, c: scaled(1 / (1 - t), way), point.x, t, head=Velocity(), path=path)
    close(ours.loss(point.pairs.x1), theirs.loss(path.velocity(point)))
    late = hear(lambda x, t, c: way, point.x, torch.full_like(t, 0.97), head=GeodesicEndpoint(latest=0.6), path=path)
    close(late.loss(point.pairs.x1), ours.loss(point.pairs.x1))


def test_the_weights_of_the_paper():
    """2 |0.1 gap / q|^2 + |turn / q|^2, q = 1 - min(t, 0.9), means over frames and coordinates, shifts in nm."""
    space, t = SE3(), torch.tensor([0.5, 0.95, 0.2, 0.0, 1.0], dtype=F64)
    x, x1 = draw(space, FRAMES, 0), draw(space, FRAMES, 1)
    head = GeodesicEndpoint(shares={"shift": 2.0, "rotation": 1.0})
    head.check(Geodesic(space))
    law = head.law_on(space, map_state(torch.zeros_like, x), x, t)
    q = 1 - t.clamp_max(0.9)
    gap = 10 * (x1["shift"] - x["shift"])
    angle = torch.arccos(((x["rotation"].mT @ x1["rotation"]).diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2)
    wanted = 2 * (0.1 * gap / q[:, None, None]).square().mean((1, 2)) + (angle / q[:, None]).square().mean(1) / 3
    close(law.loss(x1), wanted)


def test_the_best_constant_answer_is_the_marginal_velocity():
    """Two targets at the same x and t: the mean of the ways has no gradient."""
    x, t = draw(Sphere(), (3,), 0, 1), torch.tensor([0.4], dtype=F64)
    u = Sphere().tangent_noise(x.expand(2, 3), generator=torch.Generator().manual_seed(1))
    ends = Sphere().exp(x.expand(2, 3), u)
    ways = Sphere().log(x.expand(2, 3), ends)
    way = ways.mean(0, keepdim=True).requires_grad_()
    law = GeodesicEndpoint().law_on(Sphere(), way.expand(2, 3), x.expand(2, 3), t.expand(2))
    (grad,) = torch.autograd.grad(law.loss(ends).sum(), way)
    assert Sphere().tangent(x, grad).abs().max() < 1e-12
    v = GeodesicEndpoint().velocity(Geodesic(Sphere()), law, x.expand(2, 3), t.expand(2))
    close(v[0], ways.mean(0) / 0.6)


def test_on_flat_space_it_is_the_denoiser_as_an_update():
    exact, path = reference_mixture().along(Affine()), Affine()
    x, t = torch.randn(6, 2, dtype=F64, generator=torch.Generator().manual_seed(0)), torch.linspace(0.1, 0.9, 6).to(F64)
    one = NetField(torch.nn.Identity(), GeodesicEndpoint(), path)
    object.__setattr__(one, "net", lambda x, t, cond: exact.endpoint(x, t) - x)
    close(one(x, t), exact(x, t), rtol=1e-9, atol=1e-9)


def towards(space, x1):
    return lambda x, t, cond=None: scaled(1 / (1 - t), space.log(x, x1))


def test_a_perfect_network_brings_frames_home_and_turns_ahead_of_shifts():
    """100 Euler steps from .01 with c = 10 leave (1 - 10 dt)^k of every turn, and 1 - t of every shift."""
    space, x, x1 = SE3(), draw(SE3(), FRAMES, 0), draw(SE3(), FRAMES, 1)
    field = OwnClock(towards(space, x1), {"rotation": 10.0})
    times = torch.linspace(0.01, 0.99, 99, dtype=F64)
    way = solve(field, x, times, solver=Euler(space), save=True)
    first = SO3().distance(x["rotation"], x1["rotation"])
    for k in (10, 49, 98):
        found = map_state(lambda p: p[k], way.xs)  # noqa: B023
        close(SO3().distance(found["rotation"], x1["rotation"]), first * 0.9**k, rtol=1e-6, atol=1e-9)
        left = (1 - times[k]) / (1 - times[0])
        close(found["shift"], x1["shift"] + left * (x["shift"] - x1["shift"]))


def test_the_exponential_clock_is_met_to_the_order_of_the_solver():
    """d(x_t, x1) = e^(-c t) d(x_0, x1); RK4 at 40 steps errs by (c h)^5 / 120 a step, 3e-4 of what is left."""
    x, x1 = draw(SO3(), (3, 3), 0), draw(SO3(), (3, 3), 1)
    x1 = SO3().exp(x, scaled(1 / SO3().distance(x, x1), SO3().log(x, x1)))
    field = OwnClock(lambda x, t, c: {"r": towards(SO3(), x1)(x["r"], t)}, {"r": 5.0})
    space = type(SE3())(r=SO3())
    end = solve(field, {"r": x}, torch.linspace(0, 0.8, 41, dtype=F64), solver=RK4(space)).x["r"]
    close(SO3().distance(end, x1), torch.full((5,), math.exp(-4.0), dtype=F64), rtol=1e-4, atol=0)


def test_velocity_and_loss_turn_with_the_frames():
    """A rotation of the whole structure from the left, of an answer given in the frames' own axes."""
    space, t = SE3(), TIMES
    x, x1, body = draw(space, FRAMES, 0), draw(space, FRAMES, 1), torch.randn(5, 4, 3, 3, dtype=F64)
    g = SO3().noise(torch.empty(1, 3, 3, dtype=F64), generator=torch.Generator().manual_seed(5))
    turned = lambda s: {"shift": s["shift"] @ g[0].T, "rotation": g[0] @ s["rotation"]}
    out = lambda s: {"shift": body[..., 0] if s is x else body[..., 0] @ g[0].T, "rotation": s["rotation"] @ body}
    head, path = GeodesicEndpoint({"shift": 1.0, "rotation": 1.0}), Geodesic(space)
    other = turned(x)
    one, two = (head.law_on(space, out(s), s, t) for s in (x, other))
    close(two.loss(turned(x1)), one.loss(x1))
    close(head.velocity(path, two, other, t), turned(head.velocity(path, one, x, t)))


def test_every_weight_is_trained():
    from pushforward.nets import MLP, Flattened

    net = Flattened(MLP((48,), width=8)).to(F64)
    objective = FlowMatching(Geodesic(SE3()), GeodesicEndpoint({"shift": 2.0, "rotation": 1.0}))
    pairs = Pairs((draw(SE3(), FRAMES, 0), draw(SE3(), FRAMES, 1)))
    objective(net, pairs, generator=torch.Generator().manual_seed(0)).value.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
    x = objective.field(net)(pairs.x0, TIMES)
    assert {name: leaf.shape for name, leaf in x.items()} == {name: (5, *shape) for name, shape in FRAMES.items()}
    assert all(leaf.dtype == F64 for leaf in leaves(x))


def test_refusals():
    with pytest.raises(Incompatible, match="drift"):
        FlowMatching(Premetric(Mesh.icosphere(1), lambda x, y: (x - y).norm(dim=1)), GeodesicEndpoint())
    with pytest.raises(Incompatible, match="symbols"):
        FlowMatching(Mixture(Tokens(4)), GeodesicEndpoint())
    for space, shares in ((Sphere(), {"a": 1.0}), (SE3(), {"shift": 1.0})):
        with pytest.raises(Incompatible, match="share"):
            FlowMatching(Geodesic(space), GeodesicEndpoint(shares))
    with pytest.raises(InvalidInput, match="latest"):
        GeodesicEndpoint(latest=1.0)
    with pytest.raises(Incompatible, match="Sphere is curved"):
        FlowMatching(Geodesic(Sphere()), Endpoint())
    with pytest.raises(InvalidInput, match="rates"):
        OwnClock(lambda x, t, cond: x, {"rotation": 0.0})
    with pytest.raises(InvalidInput, match="turn"):
        OwnClock(lambda x, t, cond: x, {"turn": 1.0})({"shift": torch.zeros(1, 3)}, torch.zeros(1))
    law = GeodesicEndpoint().law(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(InvalidInput, match="shape"):
        law.loss(torch.zeros(2, 1))
