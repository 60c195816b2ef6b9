"""Laws of the training time: densities integrate to one and belong to their quantiles."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.objectives import (
    Antithetic,
    Beta,
    EndpointLoss,
    Exponential,
    FlowMatching,
    Importance,
    Independent,
    InverseRate,
    Likelihood,
    LogitNormal,
    LogUniform,
    ModeSD3,
    NoiseLoss,
    Stratified,
    Uniform,
    UShaped,
    VelocityLoss,
    VLoss,
)
from pushforward.oracles import reference_mixture
from pushforward.paths import (
    Affine,
    CondOT,
    Cosine,
    EncodingDecoding,
    LinearRate,
    LinearVP,
    Polynomial,
    VariancePreserving,
)

LAWS = [
    Uniform(),
    Uniform(0.1, 0.9),
    LogitNormal(),
    LogitNormal(1.2, 1.2),
    ModeSD3(),
    ModeSD3(-0.9),
    Beta(2.0, 3.0),
    Exponential(),
    Exponential(3.0),
    UShaped(),
    UShaped(0.5),
    Importance(cleanest=3.0),
    Importance(VariancePreserving(), VLoss(), -4.0, 4.0),
    LogUniform(),
    LogUniform(0.1),
    InverseRate(),
    InverseRate(LinearRate(0.0, 2.0), 0.05, 1.0),
    InverseRate(LinearRate(0.3, 0.3), 0.0, 1.0),
]
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
        lambda: LogUniform(0.0),
        lambda: LogUniform(1.0),
        lambda: ModeSD3(3.0),
        lambda: Beta(0.0),
        lambda: Importance(noisiest=3.0, cleanest=3.0),
    ],
)
def test_senseless_laws_are_refused(build):
    with pytest.raises(InvalidInput, match="got"):
        build()


def test_the_published_law_of_noise_levels():
    """i-DODE, VP: gamma = -lambda, Z and the quantiles of its closed form to the six digits that are known."""
    law = Importance(VariancePreserving(), VLoss(), noisiest=-5.0, cleanest=13.3)
    assert 2 * law.total == pytest.approx(13.293286, abs=1e-6)
    share = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    c = VariancePreserving()(law.quantile(1 - share))
    gamma = 2 * (c.sigma / c.alpha).log()
    published = torch.tensor([-13.3, -9.976634, -6.652068, -3.293589, 5.0], dtype=torch.float64)
    torch.testing.assert_close(gamma, published, rtol=0, atol=2e-6)


def test_straight_paths_have_times_by_signal_over_noise():
    """CondOT: p is t / (1 - t), whose distribution function is -t - log(1 - t)."""
    law = Importance()
    low, high = law.span
    q = torch.linspace(0, 1, 101, dtype=torch.float64)
    share = lambda t: -t - torch.log1p(-t)
    t, (a, b) = law.quantile(q), share(torch.tensor([low, high], dtype=torch.float64))
    assert law.total == pytest.approx(float(b - a), rel=1e-6)
    torch.testing.assert_close((share(t) - a) / (b - a), q, rtol=0, atol=1e-6)
    level = lambda t: 2 * math.log(t / (1 - t))
    assert (level(low), level(high)) == (pytest.approx(-5.0), pytest.approx(13.3))


@pytest.mark.parametrize("loss", [VelocityLoss(), VLoss(), NoiseLoss(), EndpointLoss()], ids=repr)
@pytest.mark.parametrize("schedule", [CondOT(), Cosine(), LinearVP(), Polynomial(2), VariancePreserving()], ids=repr)
def test_density_times_weight_is_the_likelihoods(schedule, loss):
    law = Importance(schedule, loss, noisiest=-5.0, cleanest=5.0)
    t = Uniform(*law.span).quantile(torch.linspace(0.01, 0.99, 99, dtype=torch.float64))
    weigh = lambda loss: FlowMatching(Affine(schedule), weight=loss)._weigh(t)
    torch.testing.assert_close(law.total * law.density(t) * weigh(loss), weigh(Likelihood()), rtol=1e-6, atol=0)


def test_the_exact_field_attains_the_entropy_between_two_noise_levels():
    """Z E[loss] = (H - d log sigma) at the end, less that at the beginning (derived).

    Since (W / sigma) div D = div v - d sigma' / sigma, E |error|^2 = W^2 E div D / alpha and dH/dt = E div v. Entropies
    are means of 200,000 log-densities.
    """
    path, law = Affine(), Importance(cleanest=5.0)
    exact = reference_mixture().along(path)
    objective = FlowMatching(path, times=law, draw=Stratified())
    seeded = lambda seed: torch.Generator().manual_seed(seed)
    losses = torch.stack(
        [
            objective(exact, reference_mixture().sample_pairs(20_000, generator=seeded(s)), generator=seeded(s)).value
            for s in range(10)
        ]
    )
    ends, variance = [], 0.0
    for k, t in enumerate(law.span):
        rows = -exact.log_prob(exact.sample(200_000, t, generator=seeded(100 + k)), t) - 2 * math.log(1 - t)
        ends.append(rows.mean())
        variance += float(rows.var()) / 200_000
    bound = 2 * law.total * losses.mean()  # a sum over the two coordinates
    error = math.sqrt(variance + float(2 * law.total * losses.std()) ** 2 / 10)
    assert abs(bound - (ends[1] - ends[0])) < 4 * error
    assert error < 0.02


def test_importance_sampled_times_lower_the_variance_of_the_bound():
    path, law, n = Affine(), Importance(), 20_000
    exact = reference_mixture().along(path)
    pairs = reference_mixture().sample_pairs(n, generator=torch.Generator().manual_seed(1))
    bound = {}
    for name, objective in (
        ("uniform", FlowMatching(path, times=Uniform(*law.span), weight=Likelihood())),
        ("importance", FlowMatching(path, times=law)),
    ):
        t = objective.times.quantile(torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
        point = path.sample(pairs, t)
        loss = (exact(point.x, t) - path.velocity(point)).square().mean(1)
        bound[name] = (
            (law.span[1] - law.span[0]) * objective._weigh(t) * loss if name == "uniform" else law.total * loss
        )
    assert abs(bound["uniform"].mean() / bound["importance"].mean() - 1) < 0.3
    assert bound["importance"].var() < bound["uniform"].var() / 10


def test_levels_that_a_schedule_does_not_reach_are_refused():
    with pytest.raises(InvalidInput, match="VariancePreserving has these ratios at times -"):
        Importance(VariancePreserving(), noisiest=-15.0)
    with pytest.raises(Incompatible, match="time_at_snr, which EncodingDecoding does not have"):
        Importance(EncodingDecoding())


def test_levels_of_another_schedule_are_refused():
    with pytest.raises(Incompatible, match=r"by the noise levels of CondOT.* but the path is .*Cosine"):
        FlowMatching(Affine(Cosine()), times=Importance())
    assert FlowMatching(Affine(Cosine()), times=Importance(Cosine()))
