"""Densities on manifolds: closed forms, and total mass 1."""

import math

import numpy as np
import pytest
import torch

from pushforward.core import Hutchinson, Incompatible
from pushforward.inference import likelihood, log_prob, sample_with_log_prob
from pushforward.solvers import RK4, AdamsBashforth, Dopri5, Euler
from pushforward.spaces import SO3, SPD, LogEuclidean, Lorentz, Poincare, Sphere, Torus

EVENTS = {Sphere(): (3,), Lorentz(): (4,), Poincare(): (3,), SO3(): (3, 3), SPD(): (2, 2), LogEuclidean(): (2, 2)}
each = pytest.mark.parametrize("space", EVENTS, ids=lambda space: type(space).__name__)


def draw(space, event, b=6, seed=0):
    return space.noise(torch.empty(b, *event, dtype=torch.float64), generator=torch.Generator().manual_seed(seed))


def spread(space, x, origin):
    """(n - 1) r cot r and its relatives: minus the divergence of log_x(origin), less 1."""
    r = space.distance(x, origin)
    match space:
        case Sphere():
            return r / r.tan()
        case Lorentz() | Poincare():
            return (space.dimension(x) - 1) * r / r.tanh()
        case SO3():
            return r / (r / 2).tan()
        case SPD():
            a, b = torch.linalg.eigvals(torch.linalg.solve(origin, x)).real.log().unbind(-1)
            gap = (a - b).abs() / 2
            return space.dimension(x) - 2 + gap / gap.tanh()
        case _:
            return torch.full_like(r, space.dimension(x) - 1)


@each
def test_contraction_to_a_point_has_the_known_density(space):
    """v = log_x(o) shrinks distances to o by e^-t; log p grows by the integral of its divergence, in closed form."""
    event = EVENTS[space]
    origin, time = draw(space, event, 1, seed=7), 0.3
    x0 = draw(space, event)
    field = lambda x, t, cond=None: space.log(x, origin.expand_as(x))
    times = torch.linspace(0, time, 16, dtype=torch.float64)
    x1, found = sample_with_log_prob(field, x0, solver=RK4(space), times=times)
    way = space.log(origin.expand_as(x0), x0)
    nodes, weights = (torch.tensor(a) for a in np.polynomial.legendre.leggauss(20))
    total = torch.zeros(len(x0), dtype=torch.float64)
    for node, weight in zip((nodes + 1) * time / 2, weights * time / 2, strict=True):
        x = space.exp(origin.expand_as(x0), way * (-node).exp())
        total += weight * (1 + spread(space, x, origin.expand_as(x)))
    torch.testing.assert_close(found, space.noise_log_prob(x0) + total, rtol=0, atol=2e-6)
    back = log_prob(field, x1, solver=RK4(space), times=times)
    torch.testing.assert_close(back, found, rtol=0, atol=2e-6)


def test_a_pull_to_one_side_of_the_sphere():
    """v = a - <a, x> x from the uniform law: log p = -log vol - n log(cosh t - sinh t <a, x>)."""
    for n in (2, 3):
        a = torch.nn.functional.normalize(torch.arange(1.0, n + 2, dtype=torch.float64), dim=0)
        field = lambda x, t, cond=None, a=a: a - (x @ a)[:, None] * x
        x = draw(Sphere(), (n + 1,), 50)
        exact = Sphere().noise_log_prob(x) - n * (math.cosh(1) - math.sinh(1) * (x @ a)).log()
        for solver in (RK4(Sphere()), Dopri5(1e-9, 1e-9, space=Sphere())):
            torch.testing.assert_close(log_prob(field, x, solver=solver), exact, rtol=0, atol=1e-6)
        noisy = likelihood(
            field, x[:4], solver=RK4(Sphere()), divergence=Hutchinson(400), times=torch.linspace(0, 1, 9)
        )
        assert ((noisy.log_prob - exact[:4]).abs() < 4 * noisy.standard_error + 1e-3).all()


def test_constant_fields_leave_the_density_of_a_torus():
    x = draw(Torus(), (3,))
    field = lambda x, t, cond=None: torch.ones_like(x) * torch.tensor([1.0, -2.0, 5.0], dtype=x.dtype)
    torch.testing.assert_close(log_prob(field, x, solver=Euler(Torus())), Torus().noise_log_prob(x))


def bent(space):
    """A smooth field on the whole space with no symmetry."""
    if isinstance(space, Torus):
        return lambda x, t, cond=None: torch.stack([x[:, 1].sin() + 0.5 * x[:, 0].cos(), (x[:, 0] + x[:, 1]).sin()], 1)
    w = torch.tensor([[0.3, -0.5, 0.4], [0.6, 0.2, -0.3], [-0.2, 0.5, 0.1]], dtype=torch.float64)
    if isinstance(space, Lorentz):  # bounded by the distance, so that mass stays where the grid is
        origin = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
        turn = lambda x: space.tangent(x, torch.cat([torch.zeros_like(x[:, :1]), torch.sin(x[:, 1:] @ w[1:, 1:])], 1))
        return lambda x, t, cond=None: 0.3 * space.log(x, origin.expand_as(x)) + 0.3 * turn(x) / x[:, :1]
    return lambda x, t, cond=None: space.tangent(x, torch.sin(x @ w + 0.3))


def grid_of(space):
    """Points and the volume of their cells: midpoints in coordinates in which the integrand is smooth."""
    unit = (torch.arange(80, dtype=torch.float64) + 0.5) / 80
    u, v = (p.flatten() for p in torch.meshgrid(unit, unit, indexing="ij"))
    if isinstance(space, Torus):
        return 2 * math.pi * torch.stack([u, v], 1), torch.full((6400,), (2 * math.pi) ** 2 / 6400)
    angle = 2 * math.pi * v
    if isinstance(space, Sphere):  # equal areas: z is uniform
        z = 2 * u - 1
        ring = (1 - z * z).sqrt()
        return torch.stack([ring * angle.cos(), ring * angle.sin(), z], 1), torch.full((6400,), 4 * math.pi / 6400)
    r = 5 * u
    x = torch.stack([r.cosh(), r.sinh() * angle.cos(), r.sinh() * angle.sin()], 1)
    return x, r.sinh() * 5 * 2 * math.pi / 6400


@pytest.mark.parametrize("space", [Sphere(), Torus(), Lorentz()], ids=lambda space: type(space).__name__)
def test_densities_integrate_to_one(space):
    """Flows from the uniform law on S^2 and T^2 and from the wrapped normal on H^2, to 1e-3."""
    x, cells = grid_of(space)
    density = log_prob(bent(space), x, solver=RK4(space), times=torch.linspace(0, 1, 25)).exp()
    assert abs(float((density * cells).sum()) - 1) < 1e-3
    assert density.std() > 0.01 * density.mean()


def test_solvers_of_flat_space_are_refused():
    field = lambda x, t, cond=None: torch.zeros_like(x)
    with pytest.raises(Incompatible, match="use RK4"):
        log_prob(field, draw(Sphere(), (3,)), solver=AdamsBashforth(), space=Sphere())
