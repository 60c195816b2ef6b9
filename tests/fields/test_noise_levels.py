"""Named noise levels: what they make the data end remember of its noise."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.fields import FlowSDE, Memoryless, PowerLaw
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Brownian, CondOT, Cosine, VariancePreserving
from pushforward.solvers import RK4, EulerMaruyama, solve

PATHS = {"condot": Affine(CondOT()), "cosine": Affine(Cosine()), "vp": Affine(VariancePreserving())}


def remembered(path, strength, variance, start, end=1.0):
    """Correlation of x(start) and x(end): the slope of E[x(end) | x(start)], which follows the drift, times widths."""
    exact = GaussianMixture([[0.0]], [[[variance]]]).along(path)
    sde = FlowSDE(exact, Memoryless(path, earliest=start, strength=strength))
    # rates grow like 1 / t towards t = 0, so that the steps are even in log t: RK4 leaves their 4th power, 1e-5
    times = torch.logspace(math.log10(start), math.log10(end), int(18 * math.log(end / start)), dtype=torch.float64)
    drift = lambda x, t, cond: sde(x, t, direction=torch.ones_like(t))
    slope = solve(drift, torch.ones(1, 1, dtype=torch.float64), times, solver=RK4()).x.item()
    c = path.coeffs(torch.tensor([start, end], dtype=torch.float64))
    width = (c.alpha**2 * variance + c.sigma**2).sqrt()
    return slope * float(width[0] / width[1])


@pytest.mark.parametrize(("start", "published"), [(0.1, 0.583), (0.01, 0.324), (0.001, 0.184)])
def test_the_end_forgets_slowly_where_the_noise_is_weak(start, published):
    """Flow-GRPO's a = 0.7, N(0, 1) to N(0, 1): like t to the power a^2 / 2 = 0.245."""
    found = remembered(PATHS["condot"], 0.7**2 / 2, 1.0, start)
    assert found == pytest.approx(published, abs=6e-4)
    assert found == pytest.approx((start / math.hypot(start, 1 - start)) ** 0.245, abs=1e-5)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_the_correlation_is_a_power_of_the_paths_own(name, strength):
    """With c = 1 it is that of alpha x1 + sigma x0 with x1; where VP holds its diverging derivative is left out."""
    path, start, end, variance = PATHS[name], 0.05, 0.99, 0.4
    c = path.coeffs(torch.tensor([start, end], dtype=torch.float64))
    own = c.alpha * variance**0.5 / (c.alpha**2 * variance + c.sigma**2).sqrt()
    assert remembered(path, strength, variance, start, end) == pytest.approx(
        float(own[0] / own[1]) ** strength, abs=1e-5
    )


@pytest.mark.parametrize(
    ("steps", "a", "published"),
    [
        (10, 0.7, 0.9313),
        (10, 2**0.5, 1.012),
        (40, 0.7, 0.999),
        (40, 2**0.5, 1.0005),
        (200, 0.7, 1.0086),
        (2000, 0.7, 1.0044),
    ],
)
def test_euler_maruyama_has_the_variances_of_the_method_sheet(steps, a, published):
    """N(0, 1) to N(0, 1): a step multiplies by m(1) and adds the law's width; values known to their last digit."""
    path = PATHS["condot"]
    sde = FlowSDE(GaussianMixture([[0.0]], [[[1.0]]]).along(path), Memoryless(path, 1 / steps, a * a / 2))
    times = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    law = EulerMaruyama().law(sde, torch.ones(steps, 1, dtype=torch.float64), times[:-1], times[1:])
    variance = 1.0
    for slope, std in zip(law.mean[:, 0].tolist(), law.std.tolist(), strict=True):
        variance = slope * slope * variance + std * std
    assert variance == pytest.approx(published, abs=6e-4 if published in (1.012, 0.999) else 6e-5)


def test_levels_are_finite_and_end_without_noise():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    for level in (Memoryless(PATHS["condot"], 0.1), PowerLaw(), PowerLaw(1.0, 0.5)):
        assert level(t).shape == t.shape
        assert level(t).dtype == t.dtype
        assert level(t).isfinite().all()
        assert level(t)[-1] == 0
    g = FlowSDE(lambda x, t, cond: x, PowerLaw(3.0), score=lambda x, t, cond: -x).diffusion(t)
    torch.testing.assert_close(g, 3 * (1 - t) ** 2)
    assert torch.equal(PowerLaw(2.0, 0.0)(t), torch.full_like(t, 2.0))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Memoryless(Affine(latent=Brownian(1.0)), 0.1), Incompatible, "with latent noise"),
        (lambda: Memoryless(Affine(), 0.0), InvalidInput, "earliest is 0.0, expected a time in"),
        (lambda: Memoryless(Affine(), 0.1, -1.0), InvalidInput, "strength is -1.0"),
        (lambda: PowerLaw(float("nan")), InvalidInput, "scale is nan"),
        (lambda: PowerLaw(power=-1.0), InvalidInput, "power is -1.0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
