"""Point sets whose mean is 0: closed forms, and what stays there."""

import math

import pytest
import torch
from scipy import stats

from pushforward import Flow, solve
from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.inference import likelihood, log_prob
from pushforward.nets import EGNN
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine, CondOT, Geodesic, VariancePreserving
from pushforward.paths.latents import SineSquared
from pushforward.solvers import RK4, Dopri5, Euler, Heun, Midpoint, Tsit5
from pushforward.spaces import Centred, Euclidean, Product, is_curved

SPACE = Centred()
F64 = torch.float64
close = torch.testing.assert_close


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(b, n, d, seed=0, dtype=F64):
    return SPACE.noise(torch.empty(b, n, d, dtype=dtype), generator=gen(seed))


@pytest.mark.parametrize("d", [2, 3])
def test_two_points_of_the_noise_are_a_chi_distance_apart(d):
    """x_1 - x_2 is normal with variance 2 in every coordinate."""
    x = noise(4000, 2, d)
    distance = (x[:, 0] - x[:, 1]).norm(dim=1)
    assert stats.kstest(distance, stats.chi(d, scale=math.sqrt(2)).cdf).pvalue > 1e-3


def test_the_noise_is_that_of_an_orthonormal_basis():
    x = noise(20_000, 4, 2)
    exact = torch.kron(torch.eye(4, dtype=F64) - 0.25, torch.eye(2, dtype=F64))
    assert (x.flatten(1).T @ x.flatten(1) / 20_000 - exact).abs().max() < 5 * (2 * 0.75**2 / 20_000) ** 0.5
    basis = torch.linalg.svd(torch.ones(1, 4, dtype=F64)).Vh[1:]
    y = (basis @ x).flatten(1)
    close(SPACE.noise_log_prob(x), torch.distributions.Normal(0.0, 1.0).log_prob(y).sum(1))
    assert SPACE.dimension(x) == y.shape[1] == 6


def test_it_is_flat_and_linear():
    assert not is_curved(SPACE)
    assert Product(x=SPACE, logp=Euclidean()).convex
    x0, x1, t = noise(5, 3, 2), noise(5, 3, 2, 1), torch.full((5,), 0.3, dtype=F64)
    straight, shortest = Affine(CondOT(), space=SPACE), Geodesic(SPACE)
    close(straight.sample(Pairs((x0, x1)), t).x, shortest.sample(Pairs((x0, x1)), t).x)
    curved = Affine(VariancePreserving(), space=SPACE).sample(Pairs((x0, x1)), t).x  # no convex combination, and inside
    close(SPACE.project(curved), curved)


@pytest.mark.parametrize(
    "solver", [Euler(SPACE), Midpoint(SPACE), Heun(SPACE), RK4(SPACE), Dopri5(space=SPACE), Tsit5(space=SPACE)]
)
def test_the_mean_is_zero_after_every_solver(solver):
    """In float32, with a field that pushes the mean away."""
    x = noise(50, 6, 3, dtype=torch.float32)
    end = solve(lambda x, t, cond: x.roll(1, 1).sin() + 5, x, torch.linspace(0, 1, 21), solver=solver, save=True)
    assert end.xs.mean(-2).abs().max() <= 1e-6
    assert (end.x - x).abs().max() > 0.1


def gaussian(scale):
    """The field of x_t = t s z' + (1 - t) z: linear, and the variance of the marginal is t^2 s^2 + (1 - t)^2."""

    def field(x, t, cond=None):
        t = t[:, None, None]
        return (t * scale**2 - (1 - t)) / (t**2 * scale**2 + (1 - t) ** 2) * x

    return field


def test_densities_of_a_flow_between_gaussians_are_exact():
    """N(0, s^2) of the subspace; a field with a mean of its own, which leaves it, has the same."""
    scale, x = 2.5, 2.5 * noise(10, 4, 3)
    exact = SPACE.noise_log_prob(x / scale) - 9 * math.log(scale)  # of 3 (4 - 1) coordinates
    plain = gaussian(scale)
    leaving = lambda x, t, cond=None: plain(x, t) + 3 + x[:, :1].sin()
    for field in (plain, leaving):
        found = log_prob(field, x, solver=RK4(SPACE), times=torch.linspace(0, 1, 31, dtype=F64))
        close(found, exact, rtol=0, atol=2e-5)
    close(log_prob(leaving, x, solver=Dopri5(1e-6, 1e-6, space=SPACE)), exact, rtol=0, atol=1e-4)
    flat = log_prob(leaving, x, SPACE, solver=RK4(), times=torch.linspace(0, 1, 11, dtype=F64))
    assert (flat - exact).abs().max() > 1  # in all of R^(N d) the mean would count


def test_a_trained_density_integrates_to_one(perturbed_egnn):
    """Two points on a line: one coordinate y = (x_1 - x_2) / sqrt 2."""
    y = torch.linspace(-40, 40, 401, dtype=F64)
    x = torch.stack([y, -y], 1)[..., None] / math.sqrt(2)
    field = FlowMatching(Geodesic(SPACE)).field(perturbed_egnn)
    with torch.no_grad():
        found = likelihood(field, x, solver=RK4(SPACE), times=torch.linspace(0, 1, 21, dtype=F64)).log_prob
    assert (
        abs(float(torch.trapezoid(found.exp(), y)) - 1) < 1e-4
    )  # 4e-5, and a hundredth of it with three times the steps
    assert (found - SPACE.noise_log_prob(x)).abs().max() > 0.1


@pytest.fixture
def perturbed_egnn():
    net, g = EGNN((2, 1), width=16, depth=2).double(), gen(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn(p.shape, generator=g, dtype=F64), alpha=0.2)
    return net


def test_the_estimator_lives_on_it():
    x = noise(64, 3, 2, dtype=torch.float32)
    net = EGNN((3, 2), width=8, depth=1)
    flow = Flow(path=Geodesic(SPACE), net=net, coupling="EquivariantOT", training={"steps": 2, "batch_size": 16})
    flow.fit(2 * x)
    drawn = flow.sample(10, steps=3)
    assert drawn.shape == (10, 3, 2)
    assert drawn.mean(1).abs().max() < 1e-6
    # the zero field, but for two small steps: the density is that of the noise
    close(flow.log_prob(x, steps=4), SPACE.noise_log_prob(x), rtol=0, atol=0.1)


def test_refusals():
    with pytest.raises(InvalidInput, match=r"points have shape \[4, 2\], but Centred holds sets of points"):
        SPACE.noise(torch.zeros(4, 2))
    with pytest.raises(InvalidInput, match="add the axis of the points"):
        SPACE.noise_log_prob(torch.zeros(4, 2))
    with pytest.raises(InvalidInput, match="rows are off Centred"):
        Flow(path=Geodesic(SPACE), net=EGNN((3, 2))).fit(torch.ones(8, 3, 2))
    with pytest.raises(Incompatible, match="latent noise is normal and would leave Centred"):
        Affine(CondOT(), SineSquared(), SPACE)
