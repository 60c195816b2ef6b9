"""Bridges: exact in flat space, geodesic without noise, and the closed forms of two points on a line."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.paths import Affine, BridgeMixture, Brownian, Geodesic, LinearRate
from pushforward.spaces import SE3, SO3, Euclidean, Mesh, Poincare, SpectralDistance, Sphere, Tokens, Torus

F64 = torch.float64
close = torch.testing.assert_close
RATES = [LinearRate(0.7, 0.7), LinearRate(0.5, 0.0), LinearRate(0.2, 1.5)]
each_rate = pytest.mark.parametrize("rate", RATES, ids=str)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@each_rate
def test_the_integrals_are_those_of_the_rate(rate):
    t = torch.linspace(0, 1, 11, dtype=F64).requires_grad_()
    (slope,) = torch.autograd.grad(rate.before(t).sum(), t)
    close(slope, rate(t).detach())
    close((rate.before(t) + rate.after(t)).detach(), torch.full((11,), (rate.first + rate.last) / 2, dtype=F64))
    assert rate.before(t)[0] == rate.after(t)[-1] == 0


@each_rate
@pytest.mark.parametrize("steps", [1, 4])
def test_in_flat_space_the_simulation_is_the_bridge(rate, steps):
    """Mean x0 + (B_t / B) (x1 - x0), variance B_t (B - B_t) / B, from both sides, to 4 standard errors."""
    n, path = 40_000, BridgeMixture(Euclidean(), rate, steps=steps)
    pairs = Pairs((torch.full((n, 1), -1.0, dtype=F64), torch.full((n, 1), 2.0, dtype=F64)))
    for t in (0.0, 0.3, 0.5, 0.8, 1.0):
        time = torch.full((n,), t, dtype=F64)
        x = path.sample(pairs, time, generator=gen()).x
        done, left = float(rate.before(time)[0]), float(rate.after(time)[0])
        mean, var = -1 + 3 * done / (done + left), done * left / (done + left)
        assert abs(float(x.mean()) - mean) <= 4 * (var / n) ** 0.5 + 1e-12
        assert abs(float(x.var()) - var) <= 4 * var * (2 / n) ** 0.5 + 1e-12


def test_the_conditional_velocity_is_that_of_the_path_with_brownian_noise():
    """With a constant rate the bridge is t x1 + (1 - t) x0 + sqrt(beta t (1 - t)) z, whose motion `Affine` knows."""
    flat = Affine(latent=Brownian(0.7**0.5))
    path, t = BridgeMixture(Euclidean(), LinearRate(0.7, 0.7)), torch.linspace(0.05, 0.95, 6, dtype=F64)
    pairs = Pairs(tuple(torch.randn(6, 2, dtype=F64, generator=gen(k)) for k in (0, 1)))
    point = flat.sample(pairs, t, generator=gen(2))
    close(path.velocity(point), flat.velocity(point))


@pytest.mark.parametrize(
    ("space", "event"), [(Sphere(), (3,)), (Torus(), (2,)), (SO3(), (2, 3, 3)), (Poincare(), (2,))], ids=str
)
def test_without_noise_it_is_the_geodesic_path(space, event):
    """A deviation of 1e-10 and its drift, at most 5 times as large here, are all that is left."""
    path, t = BridgeMixture(space, LinearRate(1e-20, 1e-20)), torch.tensor([0.2, 0.45, 0.5, 0.8, 0.9], dtype=F64)
    pairs = Pairs(tuple(space.noise(torch.empty(5, *event, dtype=F64), generator=gen(k)) for k in (0, 1)))
    exact = Geodesic(space).sample(pairs, t)
    point = path.sample(pairs, t, generator=gen(2))
    close(point.x, exact.x, rtol=0, atol=1e-7)
    close(path.velocity(point), Geodesic(space).velocity(exact), rtol=1e-6, atol=1e-6)


def test_two_points_on_a_line():
    """eta_f = (tanh(x / (beta (1 - t))) - x) / (1 - t), eta_b = -x / t, and their sum is beta grad log p_t."""
    beta, t = 0.6, torch.tensor([0.1, 0.4, 0.5, 0.75, 0.9], dtype=F64)
    path = BridgeMixture(Euclidean(), LinearRate(beta, beta))
    x = torch.linspace(-1.2, 1.3, 5, dtype=F64)[:, None].requires_grad_()
    ends = [Pairs((torch.zeros(5, 1, dtype=F64), torch.full((5, 1), z, dtype=F64))) for z in (-1.0, 1.0)]
    std = (beta * t * (1 - t)).sqrt()[:, None]
    logs = torch.stack([torch.distributions.Normal(z * t[:, None], std).log_prob(x) for z in (-1.0, 1.0)])
    (score,) = torch.autograd.grad(logs.logsumexp(0).sum(), x)
    x = x.detach()
    from pushforward.core import Point

    drifts = [path.drifts(Point(x, t, pairs)) for pairs in ends]
    ahead, back = ((logs.softmax(0).detach() * torch.stack(parts)).sum(0) for parts in zip(*drifts, strict=True))
    late = (1 - t)[:, None]
    close(ahead, ((x / (beta * late)).tanh() - x) / late)
    close(back, -x / t[:, None])
    close(ahead + back, beta * score)


def test_states_of_several_parts_have_a_dtype_and_a_seed():
    blank = {"shift": torch.empty(6, 2, 3, dtype=F64), "rotation": torch.empty(6, 2, 3, 3, dtype=F64)}
    pairs = Pairs(tuple(SE3().noise(blank, generator=gen(k)) for k in (0, 1)))
    path, t = BridgeMixture(SE3()), torch.linspace(0, 1, 6, dtype=F64)
    one, two = (path.sample(pairs, t, generator=gen(3)) for _ in range(2))
    for name in blank:
        assert torch.equal(one.x[name], two.x[name])
        assert one.x[name].dtype == F64
        assert path.velocity(one)[name].isfinite().all()
    close(SE3().project(one.x)["rotation"], one.x["rotation"])
    close(one.x["shift"][0], pairs.x0["shift"][0])
    close(one.x["shift"][-1], pairs.x1["shift"][-1])


def test_spectral_bridges_descend_their_distance():
    """The way lowers d at the rate d; without noise d(x_t, x1) = (1 - t) d(x0, x1) to the order of the steps."""
    mesh = Mesh.icosphere(2)
    d = SpectralDistance(mesh, modes=24)
    path = BridgeMixture(mesh, LinearRate(1e-20, 1e-20), d, steps=60)
    blank = torch.empty(12, 3, dtype=F64)
    pairs = Pairs(tuple(mesh.noise(blank, generator=gen(k)) for k in (0, 1)))
    h = torch.full((12,), 1e-5, dtype=F64)
    near = mesh.move(pairs.x0, path.way(pairs.x0, pairs.x1), h)
    ratio = (1 - d(near, pairs.x1) / d(pairs.x0, pairs.x1)) / 1e-5
    far = d(pairs.x0, pairs.x1) > 0.8 * d(pairs.x0, pairs.x1).amax()  # where ways are held by `fastest`
    close(ratio[~far], torch.ones_like(ratio[~far]), rtol=1e-3, atol=0)
    point = path.sample(pairs, torch.full((12,), 0.4, dtype=F64), generator=gen(2))
    left = (d(point.x, pairs.x1) / d(pairs.x0, pairs.x1))[~far]
    assert (left - 0.6).abs().median() < 0.02
    assert (mesh.point(mesh.locate(point.x)) - point.x).abs().max() < 1e-6


def test_noise_on_a_mesh_is_tangent_and_has_variance_one():
    """|xi|^2 has mean and variance 2 and 4 in the plane of a face, not 3."""
    mesh = Mesh.icosphere(1)
    x = mesh.noise(torch.empty(4000, 3, dtype=F64), generator=gen())
    xi = mesh.tangent_noise(x, generator=gen(1))
    close(mesh.tangent(x, xi), xi)
    assert abs(float(xi.square().sum(1).mean()) - 2) < 4 * (4 / 4000) ** 0.5


def test_refusals():
    with pytest.raises(Incompatible, match="SpectralDistance"):
        BridgeMixture(Mesh.icosphere(1))
    with pytest.raises(Incompatible, match="tangent noise"):
        BridgeMixture(Tokens(4))
    with pytest.raises(InvalidInput, match="steps"):
        BridgeMixture(Sphere(), steps=0)
    for first, last in ((-0.1, 1.0), (0.0, 0.0), (math.inf, 1.0)):
        with pytest.raises(InvalidInput, match="LinearRate"):
            LinearRate(first, last)
