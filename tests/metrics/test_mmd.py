import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import mmd


def test_unbiased(gen):
    # E k(X, Y) = h / sqrt(h^2 + v) exp(-m^2 / 2(h^2 + v)) when X - Y ~ N(m, v)
    h, mean, sd, draws = 0.8, 0.5, 1.5, 400

    def expected(m, v):
        return h / (h**2 + v) ** 0.5 * torch.tensor(-(m**2) / (2 * (h**2 + v))).exp().item()

    exact = expected(0, 2) + expected(0, 2 * sd**2) - 2 * expected(mean, 1 + sd**2)
    x, y = torch.randn(draws, 5, 1, generator=gen), mean + sd * torch.randn(draws, 7, 1, generator=gen)
    values = torch.stack([mmd(a, b, h) for a, b in zip(x, y, strict=True)])
    error = 4 * float(values.std()) / draws**0.5
    bias = (1 - expected(0, 2)) / 5 + (1 - expected(0, 2 * sd**2)) / 7  # of the V-statistic, which must not pass
    assert error < bias / 2
    assert float(values.mean()) == pytest.approx(exact, abs=error)


def test_two_points_each():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])
    k = lambda r, h: torch.tensor(-(r**2) / (2 * h**2)).exp().item()
    one = lambda h: k(1, h) + k(2, h) - (k(0, h) + k(2, h) + k(1, h) + k(1, h)) / 2
    assert float(mmd(x, y, 1.0)) == pytest.approx(one(1.0), rel=1e-6)
    assert float(mmd(x, y, (1.0, 3.0))) == pytest.approx((one(1.0) + one(3.0)) / 2, rel=1e-6)


def test_median_heuristic(gen):
    x, y = torch.randn(40, 2, generator=gen), torch.randn(60, 2, generator=gen) + 1
    pool = torch.cat([x, y])
    upper = torch.triu_indices(100, 100, 1)
    median = (pool[upper[0]] - pool[upper[1]]).norm(dim=1).sort().values[(upper.shape[1] - 1) // 2]
    torch.testing.assert_close(mmd(x, y), mmd(x, y, float(median)))
    # in other units of the data nothing changes
    torch.testing.assert_close(mmd(100 * x, 100 * y), mmd(x, y), rtol=1e-4, atol=1e-6)


def test_refusals():
    x = torch.zeros(3, 2)
    with pytest.raises(InvalidInput, match="at least 2 in each"):
        mmd(x[:1], x)
    with pytest.raises(InvalidInput, match="pass a bandwidth"):
        mmd(x, x)
    for bandwidth in (0.0, (), (1.0, -1.0)):
        with pytest.raises(InvalidInput, match="expected positive numbers"):
            mmd(x, x, bandwidth)
