"""The nearest of k noises: its law, against order statistics by quadrature."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from pushforward.core import InvalidInput
from pushforward.couplings import Independent, NearestNoise


def law(k, x1):
    """Mass, mean and variance of q(n | x1) = k N(n) (1 - F(|n - x1|))^(k - 1)."""
    n = np.linspace(-12, 12, 200_001)
    r = np.abs(n - x1)
    beyond = 1 - (norm.cdf(x1 + r) - norm.cdf(x1 - r))
    q = k * norm.pdf(n) * beyond ** (k - 1)
    mass, mean = np.trapezoid(q, n), np.trapezoid(n * q, n)
    return mass, mean, np.trapezoid((n - mean) ** 2 * q, n)


@pytest.mark.parametrize(("k", "x1", "mean", "variance"), [(4, 0.0, 0.0, 0.120702), (4, 1.0, 0.767528, 0.242223)])
def test_the_quadrature_is_the_sheets(k, x1, mean, variance):
    assert law(k, x1) == pytest.approx((1.0, mean, variance), abs=2e-6)


@pytest.mark.parametrize(("k", "x1"), [(4, 0.0), (4, 1.0), (2, 2.0), (8, -0.5)])
def test_draws_follow_the_law(k, x1, gen):
    _, mean, variance = law(k, x1)
    # rows of a batch share candidates: batches are independent, and give the errors
    found = []
    for _ in range(40):
        x = NearestNoise(k)(torch.randn(500, 1, generator=gen), torch.full((500, 1), x1), generator=gen).x0.double()
        found.append(torch.stack([x.mean(), (x - mean).square().mean()]))
    found = torch.stack(found)
    error = found.std(0) / math.sqrt(len(found))
    assert ((found.mean(0) - torch.tensor([mean, variance])).abs() < 4 * error).all()


def test_one_candidate_is_the_independent_coupling(gen):
    x0, x1 = torch.randn(50, 2, generator=gen), torch.randn(50, 2, generator=gen)
    mine, other = (c(x0, x1, generator=torch.Generator().manual_seed(1)) for c in (NearestNoise(k=1), Independent()))
    assert mine.x0.equal(other.x0)


@pytest.mark.parametrize("k", [30, 100])
def test_all_candidates_give_the_nearest_of_all(k, gen):
    x0, x1 = torch.randn(30, 2, generator=gen), torch.randn(30, 2, generator=gen)
    assert NearestNoise(k)(x0, x1, generator=gen).x0.equal(x0[torch.cdist(x1, x0).argmin(1)])


def test_more_candidates_come_closer(gen):
    x0, x1 = torch.randn(400, 8, generator=gen), torch.randn(400, 8, generator=gen)
    cost = [(NearestNoise(k)(x0, x1, generator=gen).x0 - x1).square().sum(1).mean() for k in (1, 2, 4, 16)]
    assert all(a > b for a, b in itertools.pairwise(cost))


def test_refuses_no_candidates():
    with pytest.raises(InvalidInput, match="k is 0"):
        NearestNoise(0)
