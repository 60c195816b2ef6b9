"""Heavy-tailed noise: its density, its draws, and PFGM++ between its two limits."""

import math

import pytest
import torch
from scipy import stats

from pushforward.config import build, describe, start
from pushforward.core import Incompatible, InvalidInput, Pairs, Path
from pushforward.couplings import VariationalNoise
from pushforward.fields import Endpoint, NetField, Velocity
from pushforward.inference import log_prob
from pushforward.objectives import FlowMatching, Joint
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import Affine, VarianceExploding
from pushforward.solvers import RK4, Heun, solve
from pushforward.spaces import Euclidean, StudentT

F64 = torch.float64
close = torch.testing.assert_close


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(degrees, *shape, dtype=F64, seed=0):
    return StudentT(degrees).noise(torch.empty(shape, dtype=dtype), generator=gen(seed))


@pytest.mark.parametrize("degrees", [0.5, 1.0, 8.0, 300.0])
def test_density_is_that_of_scipy(degrees):
    x = 3 * torch.randn(50, 3, generator=gen(), dtype=F64)
    exact = stats.multivariate_t(torch.zeros(3).numpy(), torch.eye(3).numpy(), df=degrees).logpdf(x.numpy())
    close(StudentT(degrees).log_prob(x), torch.as_tensor(exact), rtol=1e-10, atol=1e-10)
    parts = {"a": x[:, :1], "b": x[:, 1:]}
    close(Euclidean(StudentT(degrees)).noise_log_prob(parts), torch.as_tensor(exact), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("degrees", [1.0, 8.0, 1e6])
@pytest.mark.parametrize("event", [(2,), (3, 2, 2)])
def test_radii_follow_the_beta_law_of_the_paper(degrees, event):
    """|x|^2 / (|x|^2 + D) is Beta(N / 2, D / 2): Kolmogorov-Smirnov at the level of 1e-4."""
    square = draws(degrees, 4000, *event).flatten(1).square().sum(1)
    n = math.prod(event)
    assert stats.kstest((square / (square + degrees)).numpy(), stats.beta(n / 2, degrees / 2).cdf).pvalue > 1e-4


def test_quantiles_of_the_sheet():
    """N = 2, D = 8, sigma = 0.7: as many draws below as there should be, within 5 binomial standard errors."""
    n = 100_000
    x = 0.7 * draws(8.0, n, 2)[:, 0]
    for q, value in [(0.9, 0.9777), (0.99, 2.0275), (0.999, 3.1506)]:
        assert abs(float((x < value).to(F64).mean()) - q) <= 5 * math.sqrt(q * (1 - q) / n)


def test_leaves_of_a_row_share_their_size():
    """Then |a| / |b| has the law it has for normal draws, whatever D: F with (1, 1) degrees for single coordinates."""
    x = Euclidean(StudentT(0.7)).noise({k: torch.empty(4000, 1, dtype=F64) for k in "ab"}, generator=gen())
    ratio = (x["a"] / x["b"]).square().flatten()
    assert stats.kstest(ratio.numpy(), stats.f(1, 1).cdf).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, F64])
def test_draws_repeat_keep_the_dtype_and_are_finite(dtype):
    x = draws(1.0, 10_000, 3, dtype=dtype)
    assert x.dtype == dtype
    assert x.isfinite().all()
    assert torch.equal(x, draws(1.0, 10_000, 3, dtype=dtype))


def kernel(degrees, gap, sigma):
    """log p(x_t | x1) of the path, for x_t - x1 `[B, N]` and sigma `[B]`."""
    return StudentT(degrees).log_prob(gap / sigma[:, None]) - gap.shape[1] * sigma.log()


def test_with_a_million_dimensions_the_kernel_is_gaussian():
    """To 1e-4 within 3 standard deviations: the log differs by |x|^4 / 4D - N |x|^2 / 2D + ..., at most 5e-5 here."""
    g = gen(1)
    sigma = 0.1 + 5 * torch.rand(200, generator=g, dtype=F64)
    direction = torch.nn.functional.normalize(torch.randn(200, 2, generator=g, dtype=F64))
    gap = sigma[:, None] * 3 * torch.rand(200, 1, generator=g, dtype=F64) * direction
    gaussian = torch.distributions.Normal(0.0, sigma[:, None]).log_prob(gap).sum(1)
    close(kernel(1e6, gap, sigma), gaussian, rtol=0, atol=1e-4)
    a, b = draws(1e6, 2000, 2), torch.randn(2000, 2, generator=gen(2), dtype=F64)
    assert stats.ks_2samp(a.flatten().numpy(), b.flatten().numpy()).pvalue > 1e-4


def test_with_one_dimension_more_the_kernel_is_that_of_poisson():
    """r Gamma((N+1)/2) / (pi (|x|^2 + r^2))^((N+1)/2), which is harmonic in (x, r) and has mass one."""
    gap, r = torch.randn(20, 3, generator=gen(), dtype=F64), 0.2 + torch.rand(20, generator=gen(1), dtype=F64)
    half = (3 + 1) / 2
    exact = r.log() + math.lgamma(half) - half * (math.pi * (gap.square().sum(1) + r**2)).log()
    close(kernel(1.0, gap, r), exact, rtol=1e-12, atol=1e-12)
    whole = lambda y: kernel(1.0, y[None, :3], y[3:]).exp()[0]
    hessian = torch.func.vmap(torch.func.hessian(whole))(torch.cat([gap, r[:, None]], 1))
    trace, size = hessian.diagonal(dim1=1, dim2=2).sum(1), hessian.abs().amax((1, 2))
    assert (trace.abs() <= 1e-12 * size.clamp_min(1.0)).all()


def scales(degrees, cut=1e-12):
    """Quadrature of c = D / chi2_D, trapezoid rule in log c: nodes and weights; the tail of mass `cut` is left out.

    The integrand is analytic in a strip of half-width pi / 2 about the real line (its width shrinks like D^(-1/2) with
    the law's own), so that steps of half a standard deviation are exact to 1e-8 and better.
    """
    law = stats.chi2(degrees)
    low, high = math.log(degrees / law.isf(1e-16)), math.log(degrees / law.ppf(cut))
    step = min(0.5, 0.5 * math.sqrt(2 / degrees))
    s = torch.arange(low, high, step, dtype=F64)
    u = degrees * (-s).exp()
    weights = torch.as_tensor(law.pdf(u.numpy())) * u
    return s.exp(), weights / weights.sum()


def heavy(mixture, degrees, cut=1e-12):
    """The mixture joined to a Student-t source: a Gaussian source of variance c, for every c of the quadrature."""
    c, w = scales(degrees, cut)
    each = lambda leaf: leaf.repeat_interleave(len(c), 0)
    return GaussianMixture(
        each(mixture.means),
        each(mixture.covariances),
        (mixture.log_weights.exp()[:, None] * w).flatten(),
        source_covariances=c.repeat(len(mixture.means)),
    )


@pytest.mark.parametrize("degrees", [1.0, 8.0, 1e6])
def test_the_oracle_of_the_next_tests_has_the_density_of_the_source(degrees):
    """A point at 0, smeared by 1e-12, seen at t = 0."""
    point = GaussianMixture([[0.0, 0.0]], [1e-12])
    x = 2 * torch.randn(50, 2, generator=gen(), dtype=F64)
    exact = heavy(point, degrees).along(Affine(VarianceExploding(0.01, 1.0)))
    close(exact.log_prob(x, 0.0), StudentT(degrees).log_prob(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("degrees", [1.0, 1e6])
def test_exact_fields_carry_the_prior_to_the_mixture(degrees):
    """From sigma_0 x0, whose shift by the data's mean is 1/500 of its width, to E[x1 | x_t] at sigma = 1e-3.

    Moments and tail functions agree with fresh draws within 5 standard errors.
    """
    mixture = reference_mixture()
    path = Affine(VarianceExploding(1e-3, 500.0), space=Euclidean(StudentT(degrees)))
    exact = heavy(mixture, degrees, cut=1e-7).along(path)  # one draw of 25,000 would tell
    noise = path.space.noise(torch.empty(400, 2, dtype=F64), generator=gen(5))
    x = start(path, noise, torch.zeros(400, dtype=F64))
    x = solve(exact, x, torch.linspace(0, 1, 41, dtype=F64), solver=RK4()).x
    x = exact.endpoint(x, 1.0)
    fresh = mixture.sample(20_000, generator=gen(6))
    looks = lambda x: torch.cat([x, x[:, :1] * x, x[:, 1:] ** 2, x.sin(), (2 * x).cos(), (x > 0).to(x)], 1)
    ours, theirs = looks(x), looks(fresh)
    error = (ours.var(0) / len(x) + theirs.var(0) / len(fresh)).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() <= 5 * error).all()


@pytest.mark.parametrize("degrees", [1.0, 8.0])
def test_few_points_have_their_denoiser_in_closed_form(degrees):
    """w_i ~ (|x - y_i|^2 + sigma^2 D)^(-(N+D)/2), under the Endpoint head: dx/dsigma = (x - D) / sigma."""
    points = torch.tensor([[-1.0, 0.5], [2.0, 0.0], [0.0, -1.0]], dtype=F64)
    path = Affine(VarianceExploding(0.1, 10.0), space=Euclidean(StudentT(degrees)))
    exact = heavy(GaussianMixture(points, [1e-12] * 3), degrees).along(path)

    class Denoiser(torch.nn.Module):
        def forward(self, x, t, cond=None):
            r = path.coeffs(t).sigma[:, None] * math.sqrt(degrees)
            square = (x[:, None] - points).square().sum(2)
            return (-(2 + degrees) / 2 * (square + r**2).log()).softmax(1) @ points

    net = Denoiser()
    t = torch.rand(60, generator=gen(), dtype=F64)
    x0, x1 = draws(degrees, 60, 2, seed=3), points.repeat(20, 1)
    x = path.sample(Pairs((x0, x1)), t).x
    close(net(x, t), exact.endpoint(x, t), rtol=0, atol=1e-6)
    field = NetField(net, Endpoint(), path)
    c = path.coeffs(t)
    close(field(x, t), (c.d_sigma / c.sigma)[:, None] * (x - net(x, t)), rtol=1e-10, atol=1e-10)


def test_rays_lead_to_a_single_datum():
    """x - y scales with sigma along the exact field, from anywhere; what is learned is that field (loss 0)."""
    y = torch.tensor([1.0, -2.0], dtype=F64)
    path = Affine(VarianceExploding(0.01, 10.0), space=Euclidean(StudentT(1.0)))
    field = lambda x, t, cond=None: (path.coeffs(t).d_sigma / path.coeffs(t).sigma)[:, None] * (x - y)
    x0 = path.space.noise(torch.empty(8, 2, dtype=F64), generator=gen())
    loss = FlowMatching(path, Velocity())(field, Pairs((x0, y.expand(8, 2).clone())), generator=gen(1))
    assert float(loss.value) <= 1e-20 * float(x0.abs().max()) ** 2
    z, steps = math.log(0.01 / 10) / 40, 40  # of sigma's logarithm, in which the field is linear: Heun is its series
    there = solve(field, y + 10 * x0, torch.linspace(0, 1, steps + 1, dtype=F64), solver=Heun()).x
    close(there, y + 10 * (1 + z + z**2 / 2) ** steps * x0, rtol=1e-10, atol=1e-10)


def test_likelihood_starts_from_the_noise_of_the_space():
    """The field x adds 1 per coordinate and unit time to the log-volume: p(x) = t_D(x / e) / e^N; RK4, 40 steps."""
    space, x = Euclidean(StudentT(3.0)), draws(3.0, 10, 2)
    grid = torch.linspace(1, 0, 41, dtype=F64)
    found = log_prob(lambda x, t, cond=None: x, x, solver=RK4(), times=grid, space=space)
    close(found, space.noise_log_prob(x / math.e) - 2, rtol=0, atol=1e-7)


def test_it_is_written_and_read_back():
    path = Affine(VarianceExploding(), space=Euclidean(StudentT(128.0)))
    assert build(describe(path), Path, "path") == path
    assert build({"type": "Affine", "space": {"type": "Euclidean", "reference": {"degrees": 3}}}, Path, "path") == (
        Affine(space=Euclidean(StudentT(3.0)))
    )


@pytest.mark.parametrize("degrees", [0.0, -1.0, math.inf, math.nan])
def test_senseless_degrees_are_refused(degrees):
    with pytest.raises(InvalidInput, match="positive, finite"):
        StudentT(degrees)


def test_couplings_that_read_normal_noise_are_refused():
    with pytest.raises(Incompatible, match=r"VariationalNoise needs standard .* StudentT\(degrees=3.0\)"):
        Joint(VariationalNoise((2,)), FlowMatching(Affine(space=Euclidean(StudentT(3.0)))))
