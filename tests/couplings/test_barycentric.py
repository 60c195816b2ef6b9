import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import Barycentric, ExactOT
from pushforward.transport import sinkhorn, squared_euclidean


def test_gaussians_shrink_to_the_closed_form(gen):
    # N(0, 1) and N(0, 0.6^2) under epsilon = 1.6: Cov(x0, x1) = G = 0.3211102551, and so Var E[x0 | x1] = G^2 / 0.36
    rows, batches, G = 512, 24, 0.3211102551
    found = []
    for _ in range(batches):
        x0, x1 = torch.randn(rows, 1, generator=gen), 0.6 * torch.randn(rows, 1, generator=gen)
        pairs = Barycentric(1.6, relative=False)(x0, x1)
        found.append(torch.stack([(pairs.x0 * pairs.x1).mean(), pairs.x0.square().mean()]))
    found = torch.stack(found)
    error = found.std(0) / math.sqrt(batches)
    # a batch plan is off by O(1 / B), see the test of the entropic covariance
    assert ((found.mean(0) - torch.tensor([G, G**2 / 0.36])).abs() < 4 * error + 2 / rows).all()


def test_small_epsilon_is_the_exact_permutation(gen):
    x0 = torch.arange(12.0)[:, None]
    x1 = x0[torch.randperm(12, generator=gen)] + 0.05 * torch.randn(12, 1, generator=gen)
    torch.testing.assert_close(Barycentric(0.02, relative=False)(x0, x1).x0, ExactOT()(x0, x1).x0)


def test_large_epsilon_is_the_mean(gen):
    x0, x1 = torch.randn(50, 2, generator=gen).double(), torch.randn(50, 2, generator=gen).double()
    torch.testing.assert_close(Barycentric(1e9)(x0, x1).x0, x0.mean(0).expand(50, 2), rtol=0, atol=1e-6)


def test_mean_stays_and_the_covariance_loses_what_the_plan_spreads(gen):
    x0, x1 = torch.randn(60, 2, generator=gen).double(), 1 + torch.randn(60, 2, generator=gen).double()
    pairs = Barycentric(0.5, relative=False, tolerance=1e-10)(x0, x1)
    plan = 60 * sinkhorn(squared_euclidean(x1, x0), 0.5, tolerance=1e-10)  # rows: x0 given x1
    spread = torch.einsum("ji,jia,jib->ab", plan, x0 - pairs.x0[:, None], x0 - pairs.x0[:, None]) / 60
    torch.testing.assert_close(pairs.x0.mean(0), x0.mean(0), rtol=0, atol=1e-8)
    torch.testing.assert_close(pairs.x0.T.cov(correction=0) + spread, x0.T.cov(correction=0), rtol=0, atol=1e-7)


def test_refuses_bad_arguments():
    with pytest.raises(InvalidInput, match="epsilon is 0"):
        Barycentric(0.0)
    with pytest.raises(InvalidInput, match="tolerance is 0"):
        Barycentric(tolerance=0.0)
