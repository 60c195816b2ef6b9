import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import precision_recall_coverage


def test_by_hand():
    real = torch.tensor([0.0, 1.0, 3.0, 10.0])  # reach with k = 1: 1, 1, 2, 7
    fake = torch.tensor([0.5, 0.7, 20.0])  # reach: .2, .2, 19.3
    result = precision_recall_coverage(real, fake, k=1)
    assert result.precision == pytest.approx(2 / 3)
    # .5 and .7 lie in the balls of 0 and 1 only: [0 - 1, 0 + 1], [1 - 1, 1 + 1]; 3's ball starts at 1, 10's at 3
    assert result.density == pytest.approx(4 / 3)
    assert result.coverage == pytest.approx(2 / 4)
    # 20's ball reaches down to .7: it holds 1, 3 and 10; 0 lies .5 from .5, outside .2
    assert result.recall == pytest.approx(3 / 4)


def test_modes():
    gen = torch.Generator().manual_seed(0)
    left, right = torch.randn(100, 2, generator=gen), torch.randn(100, 2, generator=gen) + 50
    # one of two modes, exactly: every fake is real, and half of the data is reached
    dropped = precision_recall_coverage(torch.cat([left, right]), left)
    assert dropped == (1.0, 0.5, pytest.approx(dropped.density), 0.5)
    # a mode that is not there: half of the fakes are real, all the data is reached
    invented = precision_recall_coverage(left, torch.cat([left, right]))
    assert invented[:2] == (0.5, 1.0)
    assert invented.coverage == 1.0


@pytest.mark.parametrize("law", [torch.randn, lambda *s, generator: torch.rand(*s, generator=generator) ** 3])
def test_floor_is_free_of_the_law(law, gen):
    n, m, k, draws = 20, 15, 3, 200
    x, y = law(draws, n, 2, generator=gen), law(draws, m, 2, generator=gen)
    results = [precision_recall_coverage(a, b, k) for a, b in zip(x, y, strict=True)]
    missed = math.prod((n - j) / (n + m - j) for j in range(1, k + 1))
    for name, exact in (("density", 1.0), ("coverage", 1 - missed)):
        values = torch.tensor([getattr(r, name) for r in results])
        assert float(values.mean()) == pytest.approx(exact, abs=4 * float(values.std()) / draws**0.5)


def test_swapping_swaps_precision_and_recall(gen):
    x, y = torch.randn(30, 3, generator=gen), torch.randn(40, 3, generator=gen) * 1.5
    forth, back = precision_recall_coverage(x, y), precision_recall_coverage(y, x)
    assert (forth.precision, forth.recall) == (back.recall, back.precision)


@pytest.mark.parametrize("k", [0, 4])
def test_refuses_k(k):
    with pytest.raises(InvalidInput, match=f"k is {k}, expected 1 <= k < 4"):
        precision_recall_coverage(torch.rand(9, 2), torch.rand(4, 2), k)
