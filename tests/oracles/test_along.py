"""Laws of the exact field over all mixtures and paths, then golden values and the identities of single cases."""

import math

import pytest
import torch

from pushforward.core import Exact, Field, Incompatible, InvalidInput, align, jvp
from pushforward.oracles import GaussianMixture, gaussian_ot
from pushforward.oracles.gaussian_map import transition
from pushforward.oracles.moments import Moments
from pushforward.paths import (
    Affine,
    Brownian,
    CondOT,
    Constant,
    Cosine,
    LinearVP,
    Polynomial,
    VarianceExploding,
    VariancePreserving,
)

F64 = torch.float64
close = torch.testing.assert_close
ANSWERS = (
    "endpoint",
    "noise",
    "latent",
    "score",
    "log_prob",
    "responsibilities",
    "jacobian",
    "divergence",
    "posterior_covariance",
    "irreducible",
)


def rows(*values):
    return torch.tensor(values, dtype=F64)


# laws over the catalogue


def test_bayes_identities(mixture, path, points):
    """x_t and its motion are linear in (x1, x0, z), so their conditional means are, too."""
    exact = mixture.along(path)
    x, t = points(exact)
    c = path.coeffs(t)
    gamma, push = (torch.zeros_like(t),) * 2 if path.latent is None else path.latent(t)
    d_gamma = torch.where(gamma > 0, push / gamma, 0.0)
    D, eps, eta = exact.endpoint(x, t), exact.noise(x, t), exact.latent(x, t)
    close(align(c.alpha, x) * D + align(c.sigma, x) * eps + align(gamma, x) * eta, x, rtol=1e-9, atol=1e-10)
    v = align(c.d_alpha, x) * D + align(c.d_sigma, x) * eps + align(d_gamma, x) * eta
    close(v, exact(x, t), rtol=1e-9, atol=1e-10)
    close(eta, -align(gamma, x) * exact.score(x, t), rtol=1e-12, atol=1e-12)


def test_derivatives_in_x(mixture, path, points):
    exact = mixture.along(path)
    x, t = points(exact)
    leaf = x.clone().requires_grad_()
    (score,) = torch.autograd.grad(exact.log_prob(leaf, t).sum(), leaf)
    close(score, exact.score(x, t), rtol=1e-9, atol=1e-9)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x, t: exact(x[None], t[None])[0]))(x, t)
    close(exact.jacobian(x, t), jacobian, rtol=1e-9, atol=1e-9)
    velocity, divergence = Exact()(lambda y: exact(y, t), x, Exact().probes(x))
    close(velocity, exact(x, t), rtol=1e-12, atol=1e-12)
    close(exact.divergence(x, t), divergence, rtol=1e-9, atol=1e-9)


def test_continuity_equation(mixture, path, points):
    """d/dt log p_t + div v + v . s = 0, by forward mode in t."""
    exact = mixture.along(path)
    x, t = points(exact)
    _, change = jvp(lambda t: exact.log_prob(x, t), (t,), (torch.ones_like(t),))
    flux = exact.divergence(x, t) + (exact(x, t) * exact.score(x, t)).sum(1)
    # three terms cancel, so the error scales with the largest
    scale = float(flux.abs().max().clamp_min(1.0))
    close(change + flux, torch.zeros_like(t), rtol=0, atol=1e-10 * scale)


def test_conditional_means_are_orthogonal(mixture, path):
    """E[(y - E[y | x_t]) f(x_t, t)] = 0 for every f: each answer against joint draws, within 5 standard errors."""
    n, g = 10_000, torch.Generator().manual_seed(11)
    exact = mixture.along(path)
    x0, x1 = mixture.sample_pairs(n, generator=g).anchors
    z = torch.randn(n, x1.shape[1], generator=g, dtype=F64)
    t = 0.1 + 0.8 * torch.rand(n, generator=g, dtype=F64)
    c = path.coeffs(t)
    gamma, push = (torch.zeros_like(t),) * 2 if path.latent is None else path.latent(t)
    d_gamma = torch.where(gamma > 0, push / gamma, 0.0)
    x = align(c.alpha, x1) * x1 + align(c.sigma, x1) * x0 + align(gamma, x1) * z
    motion = align(c.d_alpha, x1) * x1 + align(c.d_sigma, x1) * x0 + align(d_gamma, x1) * z
    v, D, again = exact(x, t), exact.endpoint(x, t), exact.sample_posterior(x, t, generator=g)
    gap, redrawn = x1 - D, again - D
    P = exact.posterior_covariance(x, t)
    residuals = {
        "velocity": motion - v,
        "endpoint": gap,
        "noise": x0 - exact.noise(x, t),
        "latent": (z - exact.latent(x, t)) * (path.latent is not None),
        "irreducible": ((motion - v).square().sum(1) - exact.irreducible(x, t))[:, None],
        "posterior_covariance": (gap[:, :, None] * gap[:, None, :] - P).flatten(1),
        "sample_posterior mean": redrawn,
        "sample_posterior covariance": (redrawn[:, :, None] * redrawn[:, None, :] - P).flatten(1),
    }
    unit = (x - x.mean(0)) / x.std(0)
    tests = torch.cat([torch.ones(n, 1, dtype=F64), t[:, None], torch.sin(unit), torch.cos(2 * unit)], 1)
    for name, residual in residuals.items():
        products = residual[:, :, None] * tests[:, None, :]
        error = products.std(0) / math.sqrt(n)
        assert bool((products.mean(0).abs() <= 5 * error + 1e-12).all()), name


def test_sample_follows_the_density(mixture, path):
    """grad log p has mean 0 and E[s x^T] = -I under p_t (Stein), within 5 standard errors."""
    n = 10_000
    exact = mixture.along(path)
    x = exact.sample(n, 0.4, generator=torch.Generator().manual_seed(2))
    s = exact.score(x, 0.4)
    terms = torch.cat([s, (s[:, :, None] * x[:, None, :] + torch.eye(x.shape[1], dtype=F64)).flatten(1)], 1)
    assert bool((terms.mean(0).abs() <= 5 * terms.std(0) / math.sqrt(n)).all())


def test_rows_stand_alone_and_scalar_times_count_for_all(mixture, path, points):
    exact = mixture.along(path)
    x, t = points(exact)
    for name in ("__call__", *ANSWERS):
        answer = getattr(exact, name)
        whole = answer(x, t)
        close(whole[3:5], answer(x[3:5], t[3:5]), rtol=1e-13, atol=1e-13, msg=name)
        close(answer(x, 0.3), answer(x, torch.full_like(t, 0.3)), rtol=0, atol=0, msg=name)
    close(exact(x, t, torch.zeros(len(x), dtype=torch.int64)), exact(x, t), rtol=0, atol=0)


def test_dtypes(reference, path, points):
    """The mixture's dtype is the precision of the work, the state's that of the answer."""
    x, t = points(reference.along(path))
    half = GaussianMixture(reference.means.float(), reference.covariances, reference.weights).along(path)
    for name in ("__call__", *ANSWERS):
        full = getattr(reference.along(path), name)(x, t)
        mixed = getattr(reference.along(path), name)(x.float(), t.float())
        single = getattr(half, name)(x.float(), t.float())
        assert mixed.dtype == single.dtype == torch.float32
        scale = float(full.abs().max().clamp_min(1.0))
        close(mixed.double(), full, rtol=0, atol=1e-4 * scale, msg=name)
        close(single.double(), full, rtol=0, atol=1e-3 * scale, msg=name)


# golden values (float64, from an independent program)

GOLDEN = {
    "straight": (
        None,
        {
            "log_prob": [-1.3547020402694345],
            "responsibilities": [[0.035416848383, 0.964583151617]],
            "endpoint": [[1.802948067304, -0.445427068509]],
            "noise": [[-0.368632044870, -0.036381954327]],
            "score": [[0.614386741449, 0.060636590545]],
            "__call__": [[2.171580112174, -0.409045114183]],
            "divergence": [-1.585233760932],
            "jacobian": [[[-0.487298091272, -0.326413008965], [-0.326413008965, -1.097935669660]]],
            "posterior_covariance": [[[0.636859030713, -0.176263024841], [-0.176263024841, 0.307114738383]]],
            "irreducible": [2.622149358602],
        },
    ),
    "brownian": (
        Brownian(1.0),
        {
            "log_prob": [-1.7311646100261318],
            "endpoint": [[1.648204487791, -0.371596783379]],
            "noise": [[-0.159281795116, -0.051361286648]],
            "latent": [[-0.130053041116, -0.041936314940]],
            "score": [[0.265469658527, 0.085602144414]],
            "__call__": [[1.780939317054, -0.328795711173]],
            "divergence": [-0.167378031305],
        },
    ),
}


@pytest.mark.parametrize(("case", "name"), [(c, n) for c, (_, table) in GOLDEN.items() for n in table])
def test_golden_point(reference, case, name):
    latent, table = GOLDEN[case]
    exact = reference.along(Affine(CondOT(), latent))
    close(getattr(exact, name)(rows([0.5, -0.2]), rows(0.4)), torch.tensor(table[name], dtype=F64), rtol=0, atol=1e-11)


ENDS = rows([1.7, -0.1], [-2.3, 1.2], [0.0, 0.0])
STARTS = rows([0.040826223274, 0.541356771201], [-1.273136179287, 0.826641159367], [-0.753818334177, -0.459823788776])


def test_golden_reverse_map_and_change_of_variables(reference, rk4):
    """400 steps of RK4, whose error here is about 1e-8."""
    exact = reference.along(Affine())

    def joint(state, t):
        return torch.cat([exact(state[:, :2], t), exact.divergence(state[:, :2], t)[:, None]], 1)

    state = rk4(joint, torch.cat([ENDS, torch.zeros(3, 1, dtype=F64)], 1), 1.0, 0.0)
    close(state[:, :2], STARTS, rtol=0, atol=5e-8)
    normal = -state[:, :2].square().sum(1) / 2 - math.log(2 * math.pi)
    close(normal + state[:, 2], reference.log_prob(ENDS), rtol=0, atol=5e-8)


def average_over_plane(exact, t, value):
    """E value(x_t) by the trapezoid rule, exact to rounding for these densities."""
    axis = torch.linspace(-7, 7, 94, dtype=F64)
    x = torch.cartesian_prod(axis, axis)
    return (exact.log_prob(x, t).exp() * value(x, t)).sum() * (axis[1] - axis[0]) ** 2


def test_golden_irreducible_loss_and_energy(reference, legendre):
    exact = reference.along(Affine())
    loss = torch.stack([average_over_plane(exact, t, exact.irreducible) for t in (0.1, 0.5, 0.9)])
    close(loss, rows(5.2094, 2.6545, 2.3565), rtol=0, atol=5e-5)
    nodes, weights = legendre(20)
    loss = sum(w * average_over_plane(exact, float(t), exact.irreducible) for t, w in zip(nodes, weights, strict=True))
    energy = sum(
        w * average_over_plane(exact, float(t), lambda x, t: exact(x, t).square().sum(1))
        for t, w in zip(nodes, weights, strict=True)
    )
    close(torch.stack([loss, energy]), rows(3.505447, 3.559553), rtol=0, atol=1e-6)


# identities of single cases


def test_conversions_for_every_schedule(reference, plain_path, points):
    """v, s, D and eps determine each other on a path without latent from an independent N(0, I)."""
    exact = reference.along(plain_path)
    x, t = points(exact)
    alpha, sigma, d_alpha, d_sigma = (align(c, x) for c in plain_path.coeffs(t))
    W = d_alpha * sigma - alpha * d_sigma
    v, s, D, eps = exact(x, t), exact.score(x, t), exact.endpoint(x, t), exact.noise(x, t)
    equal = lambda a, b: close(a, b, rtol=1e-8, atol=1e-8)
    equal((sigma * v - d_sigma * x) / W, D)
    equal((d_alpha * x - alpha * v) / W, eps)
    equal(-(x - alpha * D) / sigma**2, s)
    equal(-eps / sigma, s)
    equal(d_sigma / sigma * x + W / sigma * D, v)
    equal(d_alpha / alpha * x - W / alpha * eps, v)
    equal(d_alpha / alpha * x + sigma * W / alpha * s, v)
    ends = plain_path.estimate(v, x, t)
    equal(ends.x1, D)
    equal(ends.x0, eps)


@pytest.mark.parametrize("latent", [None, Brownian(0.7)])
def test_posterior_covariance_is_a_derivative_of_the_endpoint(reference, latent, points):
    """P = (sigma^2 + gamma^2) / alpha dD/dx for an independent N(0, I)."""
    exact = reference.along(Affine(CondOT(), latent))
    x, t = points(exact)
    slope = torch.func.vmap(torch.func.jacrev(lambda x, t: exact.endpoint(x[None], t[None])[0]))(x, t)
    gamma = torch.zeros_like(t) if latent is None else latent(t)[0]
    close(
        exact.posterior_covariance(x, t), slope * (((1 - t) ** 2 + gamma**2) / t)[:, None, None], rtol=1e-9, atol=1e-9
    )


def test_irreducible_loss_is_an_affine_function_of_the_divergence(reference, points):
    exact = reference.along(Affine())
    x, t = points(exact)
    close(exact.irreducible(x, t), (2 + (1 - t) * exact.divergence(x, t)) / t, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("latent", [None, Brownian(1.0)])
def test_both_ends_are_finite(reference, latent):
    exact = reference.along(Affine(CondOT(), latent))
    x, t = rows([0.3, 0.1], [0.3, 0.1]), rows(0.0, 1.0)
    for name in ("__call__", *ANSWERS[:-1]):
        assert bool(getattr(exact, name)(x, t).isfinite().all()), name
    assert bool(exact.irreducible(x, t).isfinite().all()) == (latent is None)
    close(exact.endpoint(x, t)[1], x[1], rtol=0, atol=1e-13)
    close(exact.sample_posterior(x, t)[1], x[1], rtol=0, atol=1e-13)
    close(exact.log_prob(x, t)[1:], reference.log_prob(x[1:]), rtol=0, atol=1e-13)


def test_far_away_nothing_underflows(reference):
    exact = reference.along(Affine())
    x = rows([300.0, -500.0])
    for name in ("__call__", *ANSWERS):
        assert bool(getattr(exact, name)(x, 0.6).isfinite().all()), name


def test_a_coupled_noise_is_no_score(make_coupled, points):
    exact = make_coupled(1, 2, seed=4).along(Affine())
    x, t = points(exact)
    gap = exact.score(x, t) + exact.noise(x, t) / (1 - t)[:, None]
    assert float(gap.abs().min()) > 1e-3


def test_only_coupled_or_uneven_sources_curl(reference, make_coupled, points):
    def curl(mixture):
        exact = mixture.along(Affine())
        J = exact.jacobian(*points(exact))
        return float((J - J.mT).abs().max())

    assert curl(reference) < 1e-12
    assert curl(make_coupled(1, 2, seed=4)) > 0.1


# one Gaussian: totals and the flow map

MEAN, COV = rows([1.0, -2.0, 0.5]), [[[1.2, 0.3, 0.0], [0.3, 0.6, -0.2], [0.0, -0.2, 2.0]]]


def commuting_cases():
    half = gaussian_ot([0.0] * 3, torch.eye(3).tolist(), [0.0] * 3, COV[0]).matrix
    return {
        "standard source": GaussianMixture(MEAN, COV),
        "common axes": GaussianMixture(
            [[1.0, 0.0]],
            [[2.0, 0.3]],
            source_means=[[0.0, 1.0]],
            source_covariances=[[0.5, 1.5]],
            cross=[[[0.4, 0], [0, 0.1]]],
        ),
        "optimal": GaussianMixture(MEAN, COV, cross=half[None]),
    }


def test_closed_totals(legendre):
    """Irreducible loss, energy and curvature of CondOT between N(0, I) and N(mu, S), by Gauss-Legendre in t."""
    one = GaussianMixture(MEAN, COV)
    exact, S = one.along(Affine()), one.covariances[0]
    root = float(torch.linalg.eigvalsh(S).sqrt().sum())
    t, w = legendre(40)
    m = t[:, None] * MEAN
    C = t[:, None, None] ** 2 * S + (1 - t[:, None, None]) ** 2 * torch.eye(3, dtype=F64)
    J = exact.jacobian(m, t)
    trace = lambda M: M.diagonal(dim1=-2, dim2=-1).sum(-1)
    loss = (w * exact.irreducible(m, t)).sum()
    energy = (w * (exact(m, t).square().sum(1) + trace(J @ C @ J.mT))).sum()
    columns = [exact.flow_map(m + e, t, 1.0) - exact.flow_map(m + e, t, 0.0) - MEAN for e in torch.eye(3, dtype=F64)]
    bend = torch.stack(columns, -1) - J
    curved = (w * trace(bend @ C @ bend.mT)).sum()
    fixed = float(MEAN.square().sum() + trace(S)) + 3
    expected = rows(math.pi / 2 * root, fixed - math.pi / 2 * root, (2 - math.pi / 2) * root)
    close(torch.stack([loss, energy, curved]), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.9])
def test_irreducible_loss_of_correlated_ends(correlation, legendre):
    s = 1.7
    exact = GaussianMixture([[2.0]], [s**2], cross=[[[correlation * s]]]).along(Affine())
    t, w = legendre(60)
    loss = (w * exact.irreducible(torch.zeros(60, 1, dtype=F64), t)).sum()
    close(loss, rows(s * math.sqrt(1 - correlation**2) * math.acos(correlation))[0], rtol=1e-10, atol=0)


@pytest.mark.parametrize("case", commuting_cases())
def test_flow_map_in_closed_form(case, path):
    """X_{s,s} = x and d/dt X_{s,t} = v(X_{s,t}, t): one function does both."""
    exact = commuting_cases()[case].along(path)
    x = exact.sample(4, 0.2, generator=torch.Generator().manual_seed(0))
    s, t = torch.full((4,), 0.2, dtype=F64), rows(0.05, 0.2, 0.5, 0.9)
    arrived, change = jvp(lambda t: exact.flow_map(x, s, t), (t,), (torch.ones_like(t),))
    close(arrived[1], x[1], rtol=0, atol=1e-13)
    close(change, exact(arrived, t), rtol=1e-9, atol=1e-9)
    close(exact.flow_map(arrived, t, s), x, rtol=0, atol=1e-10)


def test_flow_map_without_common_axes(make_coupled, rk4):
    exact = make_coupled(1, 3, seed=9).along(Affine(CondOT(), Brownian(0.4)))
    x = exact.sample(4, 0.0, generator=torch.Generator().manual_seed(0))
    s, t = rows(0.0, 0.2, 0.5, 1.0), rows(1.0, 0.7, 0.5, 0.0)
    y = exact.flow_map(x, s, t)
    close(y[2], x[2], rtol=0, atol=1e-13)
    close(exact.flow_map(y, t, s), x, rtol=0, atol=1e-8)
    # 400 steps of RK4, taken by the field in time: both are wrong by about 400^-4 times a constant
    close(y, rk4(lambda x, part: (t - s)[:, None] * exact(x, torch.lerp(s, t, part)), x, 0.0, 1.0), rtol=0, atol=1e-8)


@pytest.mark.parametrize("schedule", [LinearVP(), VariancePreserving(), Polynomial(3), VarianceExploding(0.05, 5.0)])
def test_flow_map_does_not_depend_on_the_clock(make_coupled, schedule):
    """Every schedule passes the same rays of (alpha, sigma), so up to scale its map is that of Cosine."""
    mixture, path, circle = make_coupled(1, 3, seed=9), Affine(schedule), Affine(Cosine())
    s, t = rows(0.0, 1.0, 0.3, 0.1, 0.0), rows(1.0, 0.0, 0.9, 0.999, 1 - 1e-6)
    c, d = path.coeffs(s), path.coeffs(t)
    here, there = (torch.hypot(k.alpha, k.sigma)[:, None] for k in (c, d))
    when = lambda k: torch.atan2(k.alpha, k.sigma) * (2 / math.pi)
    x = mixture.along(path).sample(5, s, generator=torch.Generator().manual_seed(0))
    y = there * mixture.along(circle).flow_map(x / here, when(c), when(d))
    close(mixture.along(path).flow_map(x, s, t), y, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("latent", [Brownian(0.4), Constant(0.3)])
def test_flow_map_carries_the_covariance_where_root_and_latent_meet(make_coupled, latent):
    """A C_s A^T = C_t on a schedule that ends like a square root, with latent noise besides."""
    exact = make_coupled(1, 3, seed=9).along(Affine(LinearVP(), latent))
    s, t = rows(0.0, 1.0, 0.3), rows(1.0, 0.0, 0.999)
    A = transition(exact.mixture, exact.path, s, t)
    C, D = (Moments.at(exact.mixture, exact.path, time).covariance[:, 0] for time in (s, t))
    close(A @ C @ A.mT, D, rtol=0, atol=1e-8)


def test_optimal_coupling_moves_straight(make_spd):
    """Non-commuting covariances: v is constant along trajectories and the map is the optimal one."""
    S0, S1 = make_spd(2, 3, seed=5)
    m0, m1 = rows([0.0, 1.0, 2.0], [1.0, -1.0, 0.0])
    plan = gaussian_ot(m0, S0, m1, S1)
    one = GaussianMixture(
        m1[None], S1[None], source_means=m0[None], source_covariances=S0[None], cross=(S0 @ plan.matrix)[None]
    )
    exact = one.along(Affine())
    x = exact.sample(6, 0.0, generator=torch.Generator().manual_seed(0))
    end = m1 + (x - m0) @ plan.matrix
    close(exact.flow_map(x, 0.0, 1.0), end, rtol=0, atol=1e-8)
    for t in (0.0, 0.3, 1.0):
        close(exact((1 - t) * x + t * end, t), end - x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("case", commuting_cases())
def test_mean_velocity(case):
    """(t - s) u is the displacement, u at s = t is v, and u = v + (t - s) du/ds along the trajectory."""
    exact = commuting_cases()[case].along(Affine())
    x = exact.sample(4, 0.3, generator=torch.Generator().manual_seed(0))
    s, t = rows(0.3, 0.3, 0.3, 0.3), rows(0.3, 0.30001, 0.8, 0.0)
    u, v = exact.mean_velocity(x, s, t), exact(x, s)
    close(x + (t - s)[:, None] * u, exact.flow_map(x, s, t), rtol=0, atol=1e-13)
    close(u[0], v[0], rtol=0, atol=0)
    close(u[1], v[1], rtol=0, atol=1e-3)
    _, du = jvp(exact.mean_velocity, (x, s, t), (v, torch.ones_like(s), torch.zeros_like(t)))
    close(u[2:], (v + (t - s)[:, None] * du)[2:], rtol=1e-10, atol=1e-10)


def test_flow_map_in_single_precision():
    exact = GaussianMixture(MEAN, COV).along(Affine())
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    for answer in (exact.flow_map, exact.mean_velocity):
        single = answer(x, 0.1, 0.7)
        assert single.dtype == torch.float32
        close(single, answer(x.double(), 0.1, 0.7).float(), rtol=1e-6, atol=1e-6)


# refusals


def test_refusals(reference):
    exact = reference.along(Affine())
    assert isinstance(exact, Field)
    with pytest.raises(Incompatible, match=r"needs a path with coeffs\(t\) and latent, got CondOT"):
        reference.along(CondOT())
    with pytest.raises(InvalidInput, match=r"x is \[4, 3\], expected \[B, 2\]"):
        exact(torch.zeros(4, 3), 0.5)
    with pytest.raises(InvalidInput, match="x is dict"):
        exact({"a": torch.zeros(4, 2)}, 0.5)
    with pytest.raises(InvalidInput, match="one time per row"):
        exact(torch.zeros(4, 2), torch.zeros(4, 1))
    with pytest.raises(InvalidInput, match="2 components"):
        exact.flow_map(torch.zeros(4, 2), 0.0, 1.0)
    with pytest.raises(InvalidInput, match="2 components"):
        exact.mean_velocity(torch.zeros(4, 2), 0.0, 1.0)
