import math

import pytest
import scipy.stats
import torch

from pushforward.metrics import energy_distance


@pytest.mark.parametrize("d", [1, 3, 30])
def test_double_loop(d, gen):
    x, y = torch.randn(6, d, generator=gen, dtype=torch.float64), torch.rand(4, d, generator=gen, dtype=torch.float64)

    def mean(u, v):
        return sum(math.dist(a, b) for a in u.tolist() for b in v.tolist()) / (len(u) * len(v))

    assert float(energy_distance(x, y)) == pytest.approx(2 * mean(x, y) - mean(x, x) - mean(y, y), rel=1e-7)


def test_line_is_twice_cramer(gen):
    x, y = torch.randn(40, generator=gen, dtype=torch.float64), torch.rand(25, generator=gen, dtype=torch.float64)
    knots = torch.cat([x, y]).sort().values
    F, G = (torch.searchsorted(z.sort().values, knots, right=True) / len(z) for z in (x, y))
    integral = ((F - G).square()[:-1] * knots.diff()).sum()
    assert float(energy_distance(x, y)) == pytest.approx(2 * float(integral), rel=1e-6)
    assert float(energy_distance(x, y)) == pytest.approx(scipy.stats.energy_distance(x, y) ** 2, rel=1e-9)


def test_mean_over_draws(gen):
    # N(0, 1) against N(1, 4): 2 * 0.2670526621 (sheet `particles`, O2) plus the diagonals' share, which is the floor
    n, m, draws = 8, 5, 300
    x, y = torch.randn(draws, n, 1, generator=gen), 1 + 2 * torch.randn(draws, m, 1, generator=gen)
    values = torch.stack([energy_distance(a, b) for a, b in zip(x, y, strict=True)])
    spread = 2 / math.pi**0.5  # E|X - X'| of N(0, 1)
    exact = 2 * 0.2670526621 + spread / n + 2 * spread / m
    assert float(values.mean()) == pytest.approx(exact, abs=4 * float(values.std()) / draws**0.5)


def test_is_never_negative(gen):
    x = torch.randn(200, 2, generator=gen)
    values = [energy_distance(x, x[torch.randperm(200, generator=gen)]) for _ in range(20)]
    assert min(values) >= 0
    assert max(values) < 1e-6
