import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import copies


@pytest.mark.parametrize("d", [2, 50])
def test_copies_are_found(d, gen):
    train, heldout = torch.randn(2, 300, d, generator=gen)
    assert copies(train, train, heldout) == 1.0
    assert copies(train + 100.0, train, heldout) == 0.0
    half = torch.cat([train[:100], train[:100] + 100.0])
    assert copies(half, train, heldout) == 0.5


@pytest.mark.parametrize(("heldout", "quantile", "rank"), [(99, 0.05, 5), (30, 0.2, 6), (30, 0.01, 1)])
def test_fresh_samples(heldout, quantile, rank, gen):
    # given the training rows, fresh and held-out distances are exchangeable
    draws = 150
    values = torch.tensor(
        [
            copies(*(torch.randn(n, 2, generator=gen) for n in (25, 40, heldout)), quantile=quantile)
            for _ in range(draws)
        ]
    )
    assert float(values.mean()) == pytest.approx(rank / (heldout + 1), abs=4 * float(values.std()) / draws**0.5)


@pytest.mark.parametrize("quantile", [0.0, 1.0, -0.1])
def test_refuses_quantile(quantile):
    x = torch.rand(5, 2)
    with pytest.raises(InvalidInput, match="expected a number between 0 and 1"):
        copies(x, x, x, quantile)
