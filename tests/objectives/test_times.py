"""Laws of the training time: densities integrate to one and belong to their quantiles."""

import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.objectives import Antithetic, Beta, Independent, LogitNormal, ModeSD3, Stratified, Uniform

LAWS = [Uniform(), Uniform(0.1, 0.9), LogitNormal(), LogitNormal(1.2, 1.2), ModeSD3(), ModeSD3(-0.9), Beta(2.0, 3.0)]
DRAWS = [Independent(), Stratified(), Antithetic()]
each_law = pytest.mark.parametrize("law", LAWS, ids=repr)
each_draw = pytest.mark.parametrize("draw", DRAWS, ids=repr)


@each_law
def test_density_integrates_to_one(law):
    n = 200_000
    t = (torch.arange(n, dtype=torch.float64) + 0.5) / n  # midpoint rule, error O(1/n) at the jumps of a truncated law
    assert abs(law.density(t).mean().item() - 1) < 2e-5


@each_law
def test_quantile_inverts_the_distribution_function(law):
    q = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    t = law.quantile(q)
    assert (t.diff() > 0).all()
    # F(t(q)) = q, differentiated: p(t) t'(q) = 1
    h = 1e-6
    slope = (law.quantile(q + h) - law.quantile(q - h)) / (2 * h)
    torch.testing.assert_close(law.density(t) * slope, torch.ones_like(q), rtol=1e-5, atol=0)


@each_law
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_stay_in_the_unit_interval_with_their_dtype(law, dtype):
    t = law.quantile(torch.tensor([0.0, 1e-7, 0.5, 1.0 - 1e-7], dtype=dtype))
    assert t.dtype == dtype
    assert ((t >= 0) & (t <= 1)).all()


def test_edm_noise_levels_are_logit_normal_times():
    """ln(sigma/alpha) ~ N(-1.2, 1.2^2) on CondOT, where sigma/alpha = (1 - t)/t, is logit-normal with m = +1.2."""
    q = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    t = LogitNormal(1.2, 1.2).quantile(q)
    level = ((1 - t) / t).log()
    torch.testing.assert_close(level, -1.2 - 1.2 * torch.special.ndtri(q))


def test_mode_law_is_symmetric_in_time():
    q = torch.rand(100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ModeSD3(1.29).quantile(1 - q), 1 - ModeSD3(1.29).quantile(q))


def test_zero_concentration_is_uniform():
    q = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(ModeSD3(0.0).quantile(q), q, rtol=0, atol=1e-15)


def test_importance_weights_leave_the_expected_loss_alone():
    """E_p[w l] = E_q[(p/q) w l] by midpoint quadrature over quantiles.

    For Beta(1.5, 1.5) the integrand grows like q^(-1/3) at the ends, so n midpoints leave an error O(n^(-2/3)) = 5e-4.
    """
    u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    loss = lambda t: (3 * t).sin() + 2
    direct = loss(Uniform().quantile(u)).mean()
    for law in (ModeSD3(), Beta(1.5, 1.5)):
        t = law.quantile(u)
        assert abs((loss(t) / law.density(t)).mean() - direct) < 2e-3


@each_draw
@pytest.mark.parametrize("size", [1, 2, 7, 256])
def test_draws_are_uniform_numbers_that_a_seed_reproduces(draw, size):
    like = torch.zeros(1, dtype=torch.float64)
    q = draw(size, like, generator=torch.Generator().manual_seed(5))
    again = draw(size, like, generator=torch.Generator().manual_seed(5))
    assert q.shape == (size,)
    assert q.dtype == torch.float64
    assert ((q >= 0) & (q <= 1)).all()
    assert torch.equal(q, again)


@each_draw
def test_draws_are_unbiased(draw):
    g, like = torch.Generator().manual_seed(6), torch.zeros(1, dtype=torch.float64)
    means = torch.stack([draw(8, like, generator=g).square().mean() for _ in range(4000)])
    assert abs(means.mean() - 1 / 3) < 4 * means.std() / math.sqrt(4000)


def test_strata_hold_one_draw_each_and_mirror_pairs_sum_to_one():
    like, g = torch.zeros(1, dtype=torch.float64), torch.Generator().manual_seed(0)
    q = Stratified()(16, like, generator=g)
    assert (q * 16).floor().sort().values.tolist() == list(range(16))
    q = Antithetic()(16, like, generator=g)
    torch.testing.assert_close(q[:8] + q[8:], torch.ones(8, dtype=torch.float64))


def test_strata_know_nothing_of_the_order_of_rows():
    like, g = torch.zeros(1, dtype=torch.float64), torch.Generator().manual_seed(0)
    rows = torch.linspace(-1, 1, 64, dtype=torch.float64)
    # batches that are ordered: within each, times and rows correlate as independent ones do, 1 / sqrt(64)
    found = [torch.corrcoef(torch.stack([rows, Stratified()(64, like, generator=g)]))[0, 1] for _ in range(400)]
    assert abs(torch.stack(found).std() * 8 - 1) < 4 / math.sqrt(2 * 400)


def test_stratified_times_lower_the_variance_of_a_smooth_loss():
    g, like = torch.Generator().manual_seed(1), torch.zeros(1, dtype=torch.float64)
    spread = {d: torch.stack([d(64, like, generator=g).exp().mean() for _ in range(300)]).std() for d in DRAWS}
    assert spread[Stratified()] < spread[Antithetic()] < spread[Independent()]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Uniform(0.5, 0.5),
        lambda: Uniform(-0.1),
        lambda: LogitNormal(scale=0.0),
        lambda: ModeSD3(3.0),
        lambda: Beta(0.0),
    ],
)
def test_senseless_laws_are_refused(build):
    with pytest.raises(InvalidInput, match="got"):
        build()
