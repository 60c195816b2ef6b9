import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import energy_distance, sliced_wasserstein, with_floor


def test_sizes_and_rows():
    seen = []

    def metric(x, y):
        seen.append((x, y))
        return float(len(seen))

    samples, heldout, train = torch.zeros(5, 2), torch.ones(7, 2), torch.arange(40.0).reshape(20, 2)
    assert with_floor(metric, samples, heldout, train) == (1.0, 2.0, 0.5)
    (first, other), (chosen, same) = seen
    assert first is samples
    assert other is heldout is same
    assert chosen.shape == samples.shape
    rows = set(map(tuple, chosen.tolist()))
    assert len(rows) == 5
    assert rows <= set(map(tuple, train.tolist()))


def test_perfect_and_poor_samplers(gen):
    # the floor's mean is known: (1/n + 1/m) E|X - X'|, here with E|X - X'| = sqrt(pi) for N(0, I) in the plane
    n, m, draws = 30, 20, 60
    results = [
        with_floor(energy_distance, *(torch.randn(k, 2, generator=gen) for k in (n, m, 50)), generator=gen)
        for _ in range(draws)
    ]
    exact = (1 / n + 1 / m) * math.pi**0.5
    for column in (0, 1):
        values = torch.tensor([r[column] for r in results])
        assert float(values.mean()) == pytest.approx(exact, abs=4 * float(values.std()) / draws**0.5)
    poor = with_floor(sliced_wasserstein, torch.randn(n, 2, generator=gen) + 3, *torch.randn(2, n, 2, generator=gen))
    assert poor.ratio == pytest.approx(poor.value / poor.floor)
    assert poor.ratio > 3


def test_no_ratio_to_a_floor_that_is_not_positive():
    x = torch.rand(4, 1)
    assert math.isnan(with_floor(lambda a, b: torch.tensor(-1.0), x, x, x).ratio)
    assert math.isnan(with_floor(lambda a, b: 0.0, x, x, x).ratio)


def test_refuses_a_small_train():
    with pytest.raises(InvalidInput, match="train has 3 rows, expected at least 4"):
        with_floor(energy_distance, torch.rand(4, 1), torch.rand(4, 1), torch.rand(3, 1))
