"""Exact conditional means of independent Gaussians: against the mixture oracle, Monte-Carlo and autodiff."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.oracles import GaussianMixture, IndependentGaussians
from pushforward.paths import Affine, NaturalSpline

F64 = torch.float64
close = torch.testing.assert_close


@pytest.fixture
def oracle(make_spd):
    g = torch.Generator().manual_seed(3)
    return IndependentGaussians(torch.randn(3, 2, generator=g, dtype=F64), make_spd(3, 2, seed=3))


def points(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    a = -torch.rand(n, 3, generator=g, dtype=F64).log()
    return torch.randn(n, 2, generator=g, dtype=F64), a / a.sum(1, keepdim=True)


def test_an_edge_is_the_cond_ot_oracle(oracle):
    """Sheet 1 between two Gaussians: both ends, velocity, score and density."""
    i, j = 2, 1
    pair = GaussianMixture(
        oracle.means[j : j + 1],
        oracle.covariances[j : j + 1],
        source_means=oracle.means[i : i + 1],
        source_covariances=oracle.covariances[i : i + 1],
    ).along(Affine())
    x, _ = points(50)
    t = torch.linspace(0, 1, 50, dtype=F64)
    a = torch.zeros(50, 3, dtype=F64)
    a[:, i], a[:, j] = 1 - t, t
    g = oracle(x, a)
    close(g[:, i], pair.noise(x, t))
    close(g[:, j], pair.endpoint(x, t))
    close(g[:, j] - g[:, i], pair(x, t))
    close(g[:, 0], oracle.means[0].expand(50, 2))  # of what has no weight nothing is seen
    close(oracle.score(x, a), pair.score(x, t))
    close(oracle.log_prob(x, a), pair.log_prob(x, t))


def test_means_are_regressions_of_the_anchors(oracle):
    """E[(x_k - g_k) f(x)] = 0 for any f, within the Monte-Carlo error of 4 standard errors; 3 x 4 tests."""
    pairs = oracle.sample_pairs(100_000, generator=torch.Generator().manual_seed(0))
    anchors = torch.stack(pairs.anchors, 1)
    a = torch.tensor([[0.2, 0.5, 0.3]], dtype=F64).expand(100_000, 3)
    x = (a[..., None] * anchors).sum(1)
    error = anchors - oracle(x, a)
    for f in (torch.ones_like(x), x, x.square(), (2 * x).sin()):
        for k in range(3):
            rows = (error[:, k] * f).sum(1)
            assert abs(rows.mean()) < 4 * rows.std() / 100_000**0.5


@pytest.mark.parametrize("spline", [False, True])
def test_the_weighted_means_are_the_state(oracle, spline):
    x, a = points(40)
    if spline:  # weights below 0
        a = NaturalSpline((0.0, 0.4, 1.0))(torch.linspace(0, 1, 40, dtype=F64))[0]
        assert (a < 0).any()
    close((a[..., None] * oracle(x, a)).sum(1), x)


def test_the_score_is_the_slope_of_the_density(oracle):
    x, a = points(20)
    slope = torch.func.grad(lambda x: oracle.log_prob(x, a).sum())(x)
    close(oracle.score(x, a), slope)
    reference = torch.distributions.MultivariateNormal(a @ oracle.means, oracle.covariance(a))
    close(oracle.log_prob(x, a), reference.log_prob(x))


def test_the_score_of_noise_is_its_mean(make_spd):
    """s = -g_0 / a_0 where anchor 0 is N(0, I) (Tweedie)."""
    S = make_spd(3, 2, seed=5)
    S[0] = torch.eye(2, dtype=F64)
    oracle = IndependentGaussians([[0.0, 0.0], [1.0, 2.0], [-1.0, 0.5]], S)
    x, a = points(20)
    close(oracle.score(x, a), -oracle(x, a)[:, 0] / a[:, :1])


def test_the_metric_is_the_mean_product(oracle):
    """G_kl = E g_k . g_l over x(a), within 5 standard errors of 100 000 draws, at three points."""
    for row in torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 0.6, 0.4]], dtype=F64):
        n = 100_000
        anchors = torch.stack(oracle.sample_pairs(n, generator=torch.Generator().manual_seed(1)).anchors, 1)
        a = row.expand(n, 3)
        g = oracle((a[..., None] * anchors).sum(1), a)
        products = torch.einsum("bkd,bld->bkl", g, g)
        gap = (products.mean(0) - oracle.metric(row[None])[0]).abs()
        assert (gap <= 5 * products.std(0) / n**0.5 + 1e-12).all()


def test_answers_have_the_dtype_of_the_state(oracle):
    x, a = points(4)
    assert oracle(x.float(), a.float()).dtype == oracle.score(x.float(), a.float()).dtype == torch.float32
    close(oracle(x.float(), a.float()), oracle(x, a).float())
    flat = IndependentGaussians([[0.0], [1.0]], [1.0, 4.0])
    close(flat.covariances[:, 0, 0], torch.tensor([1.0, 4.0], dtype=flat.means.dtype))


@pytest.mark.parametrize(
    ("means", "covariances", "match"),
    [
        ([0.0, 1.0], [1.0, 1.0], r"means has shape \[2\]"),
        ([[0.0], [1.0]], [1.0], r"covariances has shape \[1\]"),
        ([[0.0], [1.0]], [1.0, -1.0], "positive definite"),
    ],
)
def test_senseless_moments_are_refused(means, covariances, match):
    with pytest.raises(InvalidInput, match=match):
        IndependentGaussians(means, covariances)
