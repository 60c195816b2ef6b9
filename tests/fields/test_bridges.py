"""Interpolants and Schroedinger bridges between Gaussians: exact fields, chains of Euler-Maruyama, and a training."""

import math

import pytest
import torch

from pushforward.couplings import EntropicOT, ExactOT
from pushforward.fields import FlowAndScore, FlowSDE
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching, Stratified
from pushforward.oracles import GaussianMixture, entropic_cross, gaussian_ot, reference_mixture
from pushforward.oracles.moments import Moments
from pushforward.paths import Affine, Brownian, CondOT, Constant, EncodingDecoding, SineSquared, Trigonometric
from pushforward.solvers import BrownianPath, EulerMaruyama, solve

F64 = torch.float64
close = torch.testing.assert_close
SQUARE = 0.8  # volatility squared
PATH = Affine(CondOT(), Brownian(SQUARE**0.5))
LINE = torch.tensor([[[1.0]], [[0.36]]], dtype=F64)  # covariances of the source and of the data
PLANE = torch.tensor([[[1.0, 0.3], [0.3, 0.5]], [[0.9, -0.4], [-0.4, 0.6]]], dtype=F64)  # which do not commute
each_ends = pytest.mark.parametrize("ends", [LINE, PLANE], ids=["line", "plane"])


def gaussians(ends, cross):
    """Centred Gaussians coupled with Cov(x0, x1) = cross."""
    zero = torch.zeros(1, len(ends[0]), dtype=F64)
    return GaussianMixture(zero, ends[1][None], source_covariances=ends[0][None], cross=cross[None])


def bridge(ends, square=SQUARE):
    """The exact field of the Schroedinger bridge between centred Gaussians."""
    mixture = gaussians(ends, entropic_cross(*ends, square**0.5))
    return mixture.along(Affine(CondOT(), Brownian(square**0.5)))


def matrices(sde, times, d, direction=1.0):
    """B of the linear drift B x at all times, `[T, d, d]`."""
    rows, t = torch.eye(d, dtype=F64).repeat(len(times), 1), times.repeat_interleave(d)
    return sde(rows, t, direction=torch.full_like(t, direction)).reshape(-1, d, d).mT


def chain(sde, C, times):
    """Cov(x_t) and Cov(x_t, x_0) at all times of the chain of Euler and Maruyama that follows a linear drift."""
    cross, found = C, [(C, C)]
    eye = torch.eye(len(C), dtype=F64)
    for B, level, h in zip(matrices(sde, times[:-1], len(C)), sde.level(times), times.diff(), strict=False):
        C, cross = (eye + h * B) @ C @ (eye + h * B).mT + 2 * level * h * eye, (eye + h * B) @ cross
        found.append((C, cross))
    return found


# exact fields


def test_golden_line():
    close(entropic_cross(*LINE, SQUARE**0.5), torch.tensor([[0.3211102551]], dtype=F64), rtol=0, atol=1e-10)


@each_ends
def test_the_chain_of_the_exact_bridge_reaches_the_static_coupling(ends):
    """Cov(X_1, X_0) = G^T for any steps, as the mean of a bridge moves straight on: b = (E[X_1 | x_t] - x_t) / (1 - t).

    Cov(X_t) = C_t with an error of order h, in the extrapolation from two grids of order h^2.
    """
    exact = bridge(ends)
    sde = FlowSDE(exact, eps=SQUARE / 2)
    coarse, fine = (chain(sde, ends[0], torch.linspace(0, 1, n + 1, dtype=F64)) for n in (200, 400))
    for k, t in ((50, 0.25), (100, 0.5), (200, 1.0)):
        C = Moments.at(exact.mixture, exact.path, torch.tensor([t], dtype=F64)).covariance[0, 0]
        close(2 * fine[2 * k][0] - coarse[k][0], C, rtol=0, atol=1e-4)  # a few times (1 / 200)^2
        assert (coarse[k][0] - C).abs().max() > 2e-4
    close(coarse[-1][1], exact.mixture.cross[0].mT, rtol=0, atol=1e-12)


@each_ends
def test_the_drift_of_the_bridge_is_a_gradient(ends):
    """Its Jacobian is symmetric, which no other coupling of these ends has where they do not commute."""
    slope = lambda exact: matrices(FlowSDE(exact, eps=SQUARE / 2), torch.tensor([0.3], dtype=F64), len(ends[0]))[0]
    B = slope(bridge(ends))
    close(B, B.mT, rtol=0, atol=1e-12)
    other = slope(gaussians(ends, 0 * ends[0]).along(PATH))
    if len(ends[0]) > 1:
        assert (other - other.mT).abs().max() > 0.05


@each_ends
def test_without_volatility_the_bridge_is_optimal_transport(ends):
    """And with little nearly so: the spread of the bridge makes up for G to first order, sigma^4 is left."""
    x, t = torch.randn(8, len(ends[0]), generator=torch.Generator().manual_seed(0), dtype=F64), 0.4
    plan = ends[0] @ gaussian_ot(*(p for S in ends for p in (torch.zeros(len(S), dtype=F64), S))).matrix
    flow = gaussians(ends, plan).along(Affine(CondOT()))(x, t)
    gaps = torch.stack([(bridge(ends, square)(x, t) - flow).abs().max() for square in (4e-3, 2e-3, 1e-3)])
    close(gaps[:-1] / gaps[1:], torch.full((2,), 4.0, dtype=F64), rtol=0.02, atol=0)


def test_without_volatility_the_coupling_is_the_optimal_pairing():
    x0, x1 = torch.randn(2, 32, 2, generator=torch.Generator().manual_seed(0))
    soft = EntropicOT(epsilon=2 * 1e-3**2, relative=False)(x0, x1, generator=torch.Generator().manual_seed(1))
    assert torch.equal(soft.x0, ExactOT()(x0, x1).x0)


LATENTS = {
    "brownian": Affine(CondOT(), Brownian(0.9)),
    "trigonometric": Affine(Trigonometric(Brownian(1.3)), Brownian(1.3)),
    "encoding-decoding": Affine(EncodingDecoding(), SineSquared()),
    "blur": Affine(CondOT(), Constant(0.3)),
}
LEVELS = {
    "constant": lambda path: 0.7,
    "gamma squared": lambda path: lambda t: path.latent(t)[0].square(),
    "strong": lambda path: lambda t: 5 * t * (1 - t),
}


@pytest.mark.parametrize("direction", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("path", LATENTS)
def test_covariances_do_not_depend_on_the_noise(path, level, direction):
    """dC/dt = B C + C B^T + 2 direction eps has the solution C_t for every eps, by RK4 with 200 steps."""
    path = LATENTS[path]
    exact = gaussians(PLANE, torch.tensor([[0.3, 0.1], [-0.2, 0.2]], dtype=F64)).along(path)
    sde = FlowSDE(exact, LEVELS[level](path))
    nodes = torch.linspace(*(0.1, 0.9)[:: int(direction)], 401, dtype=F64)  # 200 steps and their middles
    B, h = matrices(sde, nodes, 2, direction), nodes[2] - nodes[0]
    exact_C = Moments.at(exact.mixture, path, nodes[[0, -1]]).covariance[:, 0]
    spread = 2 * direction * sde.level(nodes)
    slope = lambda C, k: B[k] @ C + C @ B[k].mT + spread[k] * torch.eye(2, dtype=F64)
    C = exact_C[0]
    for k in range(0, 400, 2):
        a = slope(C, k)
        b = slope(C + h / 2 * a, k + 1)
        c = slope(C + h / 2 * b, k + 1)
        C = C + h / 6 * (a + 2 * b + 2 * c + slope(C + h * c, k + 2))
    close(C, exact_C[1], rtol=0, atol=1e-6)


def test_encoding_decoding_passes_through_plain_noise():
    exact = reference_mixture().along(Affine(EncodingDecoding(), SineSquared()))
    x = 2 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    close(exact.log_prob(x, 0.5), -x.square().sum(1) / 2 - math.log(2 * math.pi), rtol=0, atol=1e-12)
    close(exact(x, 0.5), torch.zeros_like(x), rtol=0, atol=1e-12)
    close(exact.score(x, 0.5), -x, rtol=0, atol=1e-12)


# a training: [SF]2M


def trained(ends, steps, rows):
    """One network for the motion and the noise, on pairs from batches of the entropic plan."""
    g, roots = torch.Generator().manual_seed(0), torch.linalg.cholesky(ends).float()
    torch.manual_seed(0)
    net = MLP((len(ends[0]),), width=64, depth=2, activation="silu", outputs=2)
    couple = EntropicOT(2 * SQUARE, relative=False, tolerance=1e-3)
    objective = FlowMatching(PATH, FlowAndScore(width=0.6), draw=Stratified())
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        x0, x1 = torch.randn(2, rows, len(ends[0]), generator=g) @ roots.mT
        optimiser.zero_grad()
        objective(net, couple(x0, x1, generator=g), generator=g).value.backward()
        optimiser.step()
        schedule.step()
    return objective.field(net)


@pytest.mark.story
@each_ends
def test_a_trained_bridge_has_the_static_coupling_and_the_dynamic_marginals(ends):
    """[SF]2M: the covariances of the trained equation against the closed form, at 1/4, 1/2, 3/4 and 1.

    A covariance of n paths is off by its standard error; the chain of the exact drift, on the same Brownian path, by
    its discretisation, which `chain` knows; and the trained chain by its distance r from that one, coordinate by
    coordinate: |E X'Y - E XY| <= r (E Y^2)^(1/2). What training leaves is all in r, the error of the network and the
    bias of plans between batches of 256 rows; it is to be a thirtieth of the source's unit at most.
    """
    exact, d, n, steps = bridge(ends), len(ends[0]), 10_000, 128
    field, grid = trained(ends, steps=1000, rows=256), torch.linspace(0, 1, steps + 1, dtype=F64)
    x0 = torch.randn(n, d, generator=torch.Generator().manual_seed(1), dtype=F64) @ torch.linalg.cholesky(ends[0]).mT
    B = matrices(FlowSDE(exact, eps=SQUARE / 2), grid, d)
    # the drift of the exact bridge, v + eps s, as a velocity: its matrices are cheaper than its mixtures
    ideal = FlowSDE(lambda x, t, cond: x @ B[int(steps * t[0])].mT, SQUARE / 2, score=lambda x, t, cond: 0 * x)

    @torch.no_grad()
    def follow(sde, x):
        return solve(sde, x, grid, solver=EulerMaruyama(BrownianPath(0, depth=7)), save=True).xs.double()

    found, other = follow(FlowSDE(field, eps=SQUARE / 2), x0.float()), follow(ideal, x0)
    through = chain(FlowSDE(exact, eps=SQUARE / 2), ends[0], grid)
    for k in (32, 64, 96, 128):
        t = grid[k]
        r = (found[k] - other[k]).square().mean(0).sqrt()
        assert (r < 1 / 30).all()
        C = Moments.at(exact.mixture, PATH, t[None]).covariance[0, 0]
        G = (1 - t) * ends[0] + t * exact.mixture.cross[0].mT  # Cov(x_t, x_0): the latent noise is independent
        wide, source = C.diagonal().sqrt(), ends[0].diagonal().sqrt()
        for y, closed, chained, left in (
            (found[k], C, through[k][0], torch.outer(r, wide) + torch.outer(wide, r) + torch.outer(r, r)),
            (x0, G, through[k][1], torch.outer(r, source)),
        ):
            products = found[k][:, :, None] * y[:, None, :]
            most = 4 * products.std(0) / math.sqrt(n) + (chained - closed).abs() + left
            assert ((products.mean(0) - closed).abs() < most).all()
    assert most.max() < 0.08  # of independence and of optimal transport neither is so near to G
    assert exact.mixture.cross.abs().max() > 0.3
    plan = ends[0] @ gaussian_ot(torch.zeros(d, dtype=F64), ends[0], torch.zeros(d, dtype=F64), ends[1]).matrix
    assert (plan - exact.mixture.cross[0]).abs().max() > 0.25
