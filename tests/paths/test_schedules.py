"""Laws of every schedule: the ends, the derivatives, the inverse of the signal-to-noise ratio."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, jvp
from pushforward.paths import (
    Brownian,
    CondOT,
    Cosine,
    CosineSpeed,
    EncodingDecoding,
    KineticOptimal,
    LinearVP,
    Mirror,
    Polynomial,
    SineSquared,
    Trigonometric,
    VarianceExploding,
    VariancePreserving,
)
from pushforward.paths.schedules import Invertible

SCHEDULES = [
    CondOT(),
    CondOT(sigma_min=0.01),
    Polynomial(1),
    Polynomial(2),
    Polynomial(3.5),
    Cosine(),
    CosineSpeed(),
    LinearVP(),
    VariancePreserving(),
    VariancePreserving(0.5, 0.5),
    VarianceExploding(),
    Trigonometric(Brownian()),
    Trigonometric(SineSquared(0.9)),
    KineticOptimal((0.3, 0.5, 0.9, 1.0)),
]
each = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


@pytest.fixture
def times():
    return torch.linspace(0.001, 0.999, 257, dtype=torch.float64)


@pytest.mark.parametrize("schedule", [*SCHEDULES, EncodingDecoding(), Mirror()], ids=repr)
def test_derivatives_are_those_of_the_coefficients(schedule, times):
    c = schedule(times)
    one = torch.ones_like(times)
    for value, slope in [("alpha", c.d_alpha), ("sigma", c.d_sigma)]:
        _, exact = jvp(lambda t, v=value: getattr(schedule(t), v), (times,), (one,))
        torch.testing.assert_close(slope, exact, rtol=1e-10, atol=1e-12)


@each
def test_ratio_and_its_inverse_undo_each_other(schedule, times):
    assert isinstance(schedule, Invertible)
    c = schedule(times)
    torch.testing.assert_close(schedule.time_at_snr(c.alpha / c.sigma), times, rtol=1e-9, atol=1e-10)


@each
def test_ratio_grows(schedule, times):
    c = schedule(times)
    assert (c.wronskian > 0).all()
    assert ((c.alpha / c.sigma).diff() > 0).all()


@pytest.mark.parametrize(
    "schedule",
    [
        CondOT(),
        Polynomial(2),
        Cosine(),
        LinearVP(),
        EncodingDecoding(),
        Trigonometric(SineSquared(0.9)),
        KineticOptimal((0.3, 1.0)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ends_are_the_source_and_the_data(schedule, dtype):
    c = schedule(torch.tensor([0.0, 1.0], dtype=dtype))
    atol = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(c.alpha, torch.tensor([0.0, 1.0], dtype=dtype), rtol=0, atol=atol)
    torch.testing.assert_close(c.sigma, torch.tensor([1.0, 0.0], dtype=dtype), rtol=0, atol=atol)
    assert all(torch.isfinite(v).all() for v in c)


def test_ends_of_the_diffusions_are_where_the_papers_leave_them():
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    vp = VariancePreserving()(ends)
    torch.testing.assert_close(vp.alpha, torch.tensor([0.006572, 1.0], dtype=torch.float64), rtol=0, atol=1e-6)
    torch.testing.assert_close(vp.sigma, torch.tensor([0.999978, 0.0], dtype=torch.float64), rtol=0, atol=1e-6)
    assert torch.isfinite(vp.d_sigma).all()
    ve = VarianceExploding(0.01, 50.0)(ends)
    torch.testing.assert_close(ve.sigma, torch.tensor([50.0, 0.01], dtype=torch.float64))


@pytest.mark.parametrize("schedule", [Cosine(), LinearVP(), VariancePreserving()], ids=repr)
def test_variance_is_preserved(schedule, times):
    c = schedule(times)
    torch.testing.assert_close(c.alpha**2 + c.sigma**2, torch.ones_like(times), rtol=1e-12, atol=0)


@pytest.mark.parametrize("latent", [Brownian(1.7), SineSquared(0.9)], ids=repr)
def test_trigonometric_leaves_the_variance_that_the_latent_does_not_take(latent, times):
    c, (gamma, _) = Trigonometric(latent)(times), latent(times)
    torch.testing.assert_close(c.alpha**2 + c.sigma**2 + gamma**2, torch.ones_like(times), rtol=1e-12, atol=0)
    torch.testing.assert_close(Trigonometric(lambda t: (0 * t, 0 * t))(times), Cosine()(times), rtol=0, atol=0)


@pytest.mark.parametrize("latent", [Brownian(2.0), SineSquared()], ids=repr)
def test_trigonometric_refuses_a_latent_that_leaves_nothing(latent):
    with pytest.raises(Incompatible, match="gamma reaches 1, expected < 1"):
        Trigonometric(latent)


def test_encoding_decoding_is_one_end_at_a_time(times):
    c = EncodingDecoding()(times)
    assert (c.alpha * c.sigma == 0).all()
    assert not isinstance(EncodingDecoding(), Invertible)
    half = EncodingDecoding()(torch.tensor([0.5], dtype=torch.float64))
    torch.testing.assert_close(torch.stack(half), torch.zeros(4, 1, dtype=torch.float64), rtol=0, atol=1e-15)


@pytest.mark.parametrize("schedule", [CondOT(), Polynomial(3), Cosine(), LinearVP(), VariancePreserving()], ids=repr)
def test_pure_data_is_time_one(schedule):
    torch.testing.assert_close(schedule.time_at_snr(torch.tensor([float("inf")])), torch.ones(1))


@pytest.mark.parametrize(
    "build",
    [
        lambda: CondOT(1.0),
        lambda: CondOT(-0.1),
        lambda: CondOT(float("nan")),
        lambda: Polynomial(0.5),
        lambda: VariancePreserving(3.0, 1.0),
        lambda: VarianceExploding(1.0, 0.1),
    ],
)
def test_senseless_schedules_are_refused(build):
    with pytest.raises(InvalidInput, match="got"):
        build()
