"""Two particles: closed forms, and draws that have them."""

import math

import pytest
import torch
from scipy import integrate, stats

from pushforward.core import InvalidInput
from pushforward.oracles import ParticlePair
from pushforward.spaces import Centred

F64 = torch.float64
close = torch.testing.assert_close


def wells(r):
    u = r - 4
    return 0.9 * u**4 - 4 * u**2


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_spring_makes_the_noise_of_the_space(d):
    pair = ParticlePair(lambda r: r**2 / 4, d)
    x = Centred().noise(torch.empty(50, 2, d, dtype=F64), generator=gen())
    close(pair.log_prob(x), Centred().noise_log_prob(x))
    assert abs(pair.entropy() - d / 2 * math.log(2 * math.pi * math.e)) < 1e-10
    r = torch.linspace(0.1, 8, 30, dtype=F64)
    close(pair.distance_density(r), torch.from_numpy(stats.chi(d, scale=math.sqrt(2)).pdf(r.numpy())))


@pytest.mark.parametrize("d", [2, 3])
def test_the_volume_is_that_of_an_adaptive_quadrature(d):
    pair = ParticlePair(wells, d)
    weight = lambda r: r ** (d - 1) * math.exp(-wells(r))
    total, _ = integrate.quad(weight, 0, 10, points=[2.5, 5.5], epsabs=1e-12, epsrel=1e-12, limit=200)
    sphere = 2 * math.pi ** (d / 2) / math.gamma(d / 2)
    assert abs(pair.log_volume - math.log(sphere * total) + d / 2 * math.log(2)) < 1e-9
    r = torch.linspace(1e-6, 20, 4001, dtype=F64)
    assert abs(float(torch.trapezoid(pair.distance_density(r), r)) - 1) < 1e-6


def test_the_density_of_a_plane_integrates_to_one():
    """Over the plane of (x_1 - x_2) / sqrt 2, by a grid."""
    y = torch.linspace(-6, 6, 401, dtype=F64)
    plane = torch.cartesian_prod(y, y) / math.sqrt(2)
    mass = ParticlePair(wells).log_prob(torch.stack([plane, -plane], 1)).exp().sum() * 0.03**2
    assert abs(float(mass) - 1) < 1e-6


@pytest.mark.parametrize("d", [1, 2, 3])
def test_draws_have_the_law(d):
    pair, n = ParticlePair(wells, d), 20_000
    x = pair.sample(n, generator=gen()).double()
    close(x.sum(1), torch.zeros(n, d, dtype=F64), rtol=0, atol=1e-6)
    grid = torch.linspace(1e-6, 20, 20_001, dtype=F64)
    rise = torch.cumulative_trapezoid(pair.distance_density(grid), grid)
    r = (x[:, 0] - x[:, 1]).norm(dim=1)
    cdf = lambda r: torch.nn.functional.pad(rise, (1, 0))[torch.bucketize(torch.as_tensor(r), grid) - 1].numpy()
    assert stats.kstest(r.numpy(), cdf).pvalue > 1e-3
    logs = pair.log_prob(x)
    assert abs(float(-logs.mean()) - pair.entropy()) < 5 * float(logs.std()) / n**0.5
    if d == 2:
        angle = torch.atan2(x[:, 0, 1], x[:, 0, 0])
        assert stats.kstest(angle.numpy(), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3
    assert pair.sample(3, generator=gen()).equal(pair.sample(3, generator=gen()))


def test_refusals():
    with pytest.raises(InvalidInput, match="dimension is 0"):
        ParticlePair(wells, 0)
    with pytest.raises(InvalidInput, match="longest is -1"):
        ParticlePair(wells, longest=-1)
    with pytest.raises(InvalidInput, match="of the law is near or past longest=20"):
        ParticlePair(lambda r: 0 * r)
    with pytest.raises(InvalidInput, match="not finite at some distances"):
        ParticlePair(lambda r: (r - 1).log())
