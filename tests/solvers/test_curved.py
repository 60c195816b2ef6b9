"""Solvers on curved and folding spaces: order, staying on the space, dense output."""

import math
from functools import cache

import pytest
import torch

from pushforward.core import Incompatible
from pushforward.fields import FlowSDE
from pushforward.solvers import (
    RK4,
    AdamsBashforth,
    BrownianPath,
    Dopri5,
    Euler,
    EulerMaruyama,
    Heun,
    Midpoint,
    Tsit5,
    solve,
)
from pushforward.spaces import SO3, SPD, Box, Euclidean, Lorentz, Poincare, Product, Sphere, Torus

EVENTS = {Sphere(): (3,), Torus(): (2,), Lorentz(): (3,), Poincare(): (2,), SPD(): (2, 2), SO3(): (3, 3)}
each = pytest.mark.parametrize("space", EVENTS, ids=lambda space: type(space).__name__)
METHODS = [(Euler, 1), (Heun, 2), (Midpoint, 2), (RK4, 4)]


def draw(space, b=4, dtype=torch.float64, seed=0):
    return space.noise(torch.empty(b, *EVENTS[space], dtype=dtype), generator=torch.Generator().manual_seed(seed))


def turning(space, like):
    """A smooth field that bends and depends on time."""
    place = space.noise(like[:1], generator=torch.Generator().manual_seed(9))

    def field(x, t, cond=None):
        told = (t + 1).reshape(-1, *[1] * (x.ndim - 1))
        raw = torch.sin(2 * x + told) + place * told
        raw = (raw + raw.mT) / 2 if isinstance(space, SPD) else raw
        u = space.tangent(x, raw)
        size = space.inner(x, u, u).sqrt().reshape(told.shape)
        return u / (0.5 + size)

    return field


@cache
def arrived(space):
    """Where the field leads in 128 steps of RK4."""
    x = draw(space)
    return solve(turning(space, x), x, torch.linspace(0, 1, 129, dtype=x.dtype), solver=RK4(space)).x


@each
@pytest.mark.parametrize(("method", "order"), METHODS, ids=lambda m: getattr(m, "__name__", m))
def test_order_is_that_of_the_flat_method(space, method, order):
    x, solver = draw(space), method(space)
    field, exact = turning(space, x), arrived(space)
    steps = [8, 16, 32] if order < 4 else [4, 8, 16]
    errors = [
        space.distance(solve(field, x, torch.linspace(0, 1, n + 1, dtype=x.dtype), solver=solver).x, exact).mean()
        for n in steps
    ]
    slope = float((errors[1] / errors[2]).log2())
    assert slope > order - 0.35, (slope, errors)


@each
def test_states_stay_on_the_space_in_float32(space):
    x = draw(space, dtype=torch.float32)
    grid = torch.linspace(0, 1, 101)
    for solver in (Euler(space), Heun(space), RK4(space), Dopri5(space=space)):
        end = solve(turning(space, x), x, grid, solver=solver).x
        torch.testing.assert_close(space.project(end), end, rtol=1e-6, atol=1e-6)


@each
def test_adaptive_steps_arrive_and_pass_times_between_by_geodesics(space):
    x = draw(space)
    field = turning(space, x)
    grid = torch.linspace(0, 1, 7, dtype=x.dtype)
    fine = solve(field, x, torch.linspace(0, 1, 193, dtype=x.dtype), solver=RK4(space), save=True).xs[::32]
    for kind in (Dopri5, Tsit5):
        way = solve(field, x, grid, solver=kind(1e-7, 1e-7, space=space), save=True)
        for exact, found in zip(fine, way.xs, strict=True):
            # the tolerance is local; dense output is one order lower
            assert space.distance(exact, found).max() < 1e-5
            torch.testing.assert_close(space.project(found), found)
        back = solve(field, way.x, grid.flip(0), solver=kind(1e-7, 1e-7, space=space)).x
        assert space.distance(back, x).max() < 1e-5


def test_a_rotation_of_the_sphere_is_exact_to_the_order():
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    field = lambda x, t, cond: torch.linalg.cross(axis.expand_as(x), x)
    x = draw(Sphere())
    half = solve(field, x, torch.linspace(0, math.pi, 41, dtype=x.dtype), solver=RK4(Sphere())).x
    torch.testing.assert_close(half, x * torch.tensor([-1.0, -1.0, 1.0], dtype=x.dtype), rtol=0, atol=1e-5)


def test_a_product_is_solved_part_by_part():
    space = Product(place=Euclidean(), way=Sphere())
    x = {"place": torch.randn(4, 2, dtype=torch.float64), "way": draw(Sphere())}
    one, other = (lambda p: -p), turning(Sphere(), x["way"])
    field = lambda x, t, cond: {"place": one(x["place"]), "way": other(x["way"], t)}
    grid = torch.linspace(0, 1, 11, dtype=torch.float64)
    both = solve(field, x, grid, solver=RK4(space)).x
    alone = solve(lambda p, t, c: one(p), x["place"], grid, solver=RK4()).x
    torch.testing.assert_close(both["place"], alone)
    torch.testing.assert_close(both["way"], solve(other, x["way"], grid, solver=RK4(Sphere())).x)


def test_a_wall_holds_what_pushes_against_it():
    """Constant velocity on a box: clip(x0 + v t), to |v| h, with any tableau; adaptive steps do not stall there."""
    space, x = Box(-1.0, 1.0), torch.tensor([[0.5, -0.9], [0.0, 0.9]], dtype=torch.float64)
    v = torch.tensor([1.7, -0.4], dtype=torch.float64)
    field = lambda x, t, cond: v.expand_as(x)
    exact = (x + v).clamp(-1, 1)
    for solver in (Euler(space), Heun(space), RK4(space)):
        for n in (10, 100):
            end = solve(field, x, torch.linspace(0, 1, n + 1, dtype=x.dtype), solver=solver).x
            assert (end - exact).abs().max() <= 1.7 / n + 1e-12
            assert space.contains(end).all()


def test_spaces_without_geodesics_are_refused():
    keep = lambda self, x, *rest, **named: x
    bare = type("Bare", (), {"move": keep, "noise": keep})()
    with pytest.raises(Incompatible, match="use Euler"):
        Heun(bare)
    with pytest.raises(Incompatible, match="RK4"):
        AdamsBashforth(space=Sphere())


STILL = FlowSDE(lambda x, t, cond=None: torch.zeros_like(x), eps=0.5, score=lambda x, t, cond=None: torch.zeros_like(x))


@pytest.mark.parametrize(
    ("space", "cos", "exact"),
    [
        (Sphere(), lambda x, y: (x * y).sum(-1), math.exp(-0.5)),
        (SO3(), lambda x, y: SO3().distance(x, y).cos(), (3 * math.exp(-0.5) - 1) / 2),
        (Torus(), lambda x, y: (x - y)[:, 0].cos(), math.exp(-0.25)),
    ],
    ids=["Sphere", "SO3", "Torus"],
)
def test_a_walk_without_drift_is_brownian_motion(space, cos, exact):
    """Means of eigenfunctions decay by exp(-lambda t / 2), t = 1/2: to weak order 1 and 4 standard errors.

    On S^2 lambda is 2, as for traces on SO(3), on a circle 1; a step of the walk on S^2 errs by h^2 / 6.
    """
    n = 20_000
    x = draw(space, 1).expand(n, *EVENTS[space]).clone()
    times = torch.linspace(0, 0.5, 41, dtype=torch.float64)
    for grid in (times, times.flip(0)):
        y = solve(STILL, x, grid, solver=EulerMaruyama(space=space), generator=torch.Generator().manual_seed(1)).x
        found = cos(x, y)
        assert abs(float(found.mean()) - exact) < 4 * float(found.std()) / n**0.5 + 0.5 / 80
        torch.testing.assert_close(space.project(y), y)


def test_a_walk_without_noise_is_the_method_of_euler():
    x = draw(Sphere())
    field = turning(Sphere(), x)
    sde = FlowSDE(field, eps=0.0, score=lambda x, t, cond=None: torch.zeros_like(x))
    grid = torch.linspace(0, 1, 11, dtype=torch.float64)
    step = EulerMaruyama(space=Sphere())
    torch.testing.assert_close(solve(sde, x, grid, solver=step).x, solve(field, x, grid, solver=Euler(Sphere())).x)
    assert step.step(sde, x, torch.zeros(4), torch.ones(4)).law is None


def test_what_a_walk_cannot_do_is_refused():
    with pytest.raises(Incompatible, match="coordinates of flat space"):
        EulerMaruyama(BrownianPath(0), Sphere())
    with pytest.raises(Incompatible, match="no Normal law"):
        EulerMaruyama(space=Sphere()).law(STILL, draw(Sphere()), torch.zeros(4), torch.ones(4))
    keep = lambda self, x, *rest, **named: x
    bare = type("Bare", (), {"move": keep, "noise": keep})()
    with pytest.raises(Incompatible, match="tangent noise"):
        EulerMaruyama(space=bare).step(STILL, torch.zeros(1, 2), torch.zeros(1), torch.ones(1))
    with pytest.raises(Incompatible, match="diffusion"):
        EulerMaruyama(space=Sphere()).step(lambda x, t, cond: x, draw(Sphere()), torch.zeros(4), torch.ones(4))
