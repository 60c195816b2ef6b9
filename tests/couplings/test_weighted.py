"""W-CFM against the Gaussian closed form, its limits, and the costs of the method sheet."""

import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import Independent, WeightedCFM
from pushforward.transport import PNorm, SquaredEuclidean


def again():
    return torch.Generator().manual_seed(3)


def weighted(values, weight):
    """Self-normalised mean of the columns, and its standard error."""
    weight = weight / weight.mean()
    mean = (values * weight[:, None]).mean(0)
    error = ((values - mean) * weight[:, None]).std(0) / math.sqrt(len(values))
    return mean, error


def test_gaussians_reach_the_closed_form(gen):
    # sheet weighted_cfm: c = |x0 - x1|^2 / 2 with epsilon = 2, which is the squared distance with epsilon = 4;
    # N(0, 1) and N(1, 1/2): joint precision [[1 + 1/e, -1/e], [-1/e, 2 + 1/e]]
    rows = 40_000
    x0 = torch.randn(rows, 1, generator=gen).double()
    x1 = 1 + math.sqrt(0.5) * torch.randn(rows, 1, generator=gen).double()
    pairs = WeightedCFM(4.0, relative=False, cost=SquaredEuclidean(), normalise=False)(x0, x1, generator=gen)
    total, error = pairs.weight.mean(), pairs.weight.std() / math.sqrt(rows)
    assert abs(total - 0.655298) < 4 * error
    joint = torch.cat([pairs.x0, pairs.x1], 1)
    mean, error = weighted(joint, pairs.weight)
    assert ((mean - torch.tensor([2 / 7, 6 / 7])).abs() < 4 * error).all()
    centred = joint - torch.tensor([2 / 7, 6 / 7])
    products = torch.stack([centred[:, 0] ** 2, centred.prod(1), centred[:, 1] ** 2], 1)
    covariance, error = weighted(products, pairs.weight)
    assert ((covariance - torch.tensor([5 / 7, 1 / 7, 3 / 7])).abs() < 4 * error).all()


@pytest.mark.parametrize("normalise", [True, False])
def test_a_wide_kernel_is_the_independent_coupling(normalise, gen):
    x0, x1 = torch.randn(50, 3, generator=gen), torch.randn(50, 3, generator=gen)
    pairs = WeightedCFM(1e9, normalise=normalise)(x0, x1, generator=again())
    assert pairs.x0.equal(Independent()(x0, x1, generator=again()).x0)
    torch.testing.assert_close(pairs.weight, torch.ones(50))


def test_normalised_weights_have_mean_one_and_the_kernels_ratios(gen):
    x0, x1 = torch.randn(300, 2, generator=gen).double(), 5 * torch.randn(300, 2, generator=gen).double()
    mine, raw = (WeightedCFM(0.7, normalise=n)(x0, x1, generator=again()) for n in (True, False))
    assert mine.weight.mean().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(mine.weight, raw.weight / raw.weight.mean())
    distance = (raw.x0 - raw.x1).norm(dim=1)
    torch.testing.assert_close(raw.weight, (-distance / (0.7 * math.sqrt(2))).exp())  # relative: times sqrt(d)
    assert WeightedCFM(1e-3)(x0, x1, generator=again()).weight.isfinite().all()  # where every raw weight is 0


def test_concentric_circles_keep_their_marginals(gen):
    angle = 2 * math.pi * torch.rand(2, 40_000, generator=gen).double()
    x0, x1 = (r * torch.stack([a.cos(), a.sin()], 1) for r, a in zip((1.0, 2.0), angle, strict=True))
    pairs = WeightedCFM(0.3, relative=False)(x0, x1, generator=gen)
    assert pairs.weight.std() > 1  # the weights do select
    for x, r in ((pairs.x0, 1.0), (pairs.x1, 2.0)):
        moments, error = weighted(torch.stack([x[:, 0], x[:, 1], x[:, 0] ** 2, x.prod(1)], 1), pairs.weight)
        assert ((moments - torch.tensor([0, 0, r**2 / 2, 0])).abs() < 4 * error).all()


@pytest.mark.parametrize(("kappa", "published"), [(1.0, 4.10), (2.0, 5.22), (5.0, 6.36)])
def test_published_costs(kappa, published, gen):
    rows = 20_000  # GMM-A, N(0, I) as source
    factor = torch.linalg.cholesky(torch.tensor([[0.5, 0.2], [0.2, 0.3]]))
    noise = torch.randn(rows, 2, generator=gen)
    left = torch.tensor([-2.0, 1.0]) + noise @ factor.T
    x1 = torch.where(torch.rand(rows, 1, generator=gen) < 0.3, left, torch.tensor([2.0, -0.5]) + 0.5 * noise)
    pairs = WeightedCFM(kappa)(torch.randn(rows, 2, generator=gen), x1, generator=gen)
    cost, error = weighted((pairs.x0 - pairs.x1).square().sum(1, keepdim=True), pairs.weight)
    # the sheet tells neither its draws nor its error: a few thousand pairs are assumed
    assert abs(cost - published) < 4 * error * math.sqrt(1 + rows / 4000)


def test_the_loss_is_the_weighted_one(gen):
    from pushforward.objectives import FlowMatching

    pairs = WeightedCFM()(torch.randn(64, 2, generator=gen), torch.randn(64, 2, generator=gen), generator=again())
    loss = FlowMatching()(lambda x, t, cond: torch.zeros_like(x), pairs, generator=again()).value
    torch.testing.assert_close(loss, (pairs.weight * (pairs.x1 - pairs.x0).square().mean(1)).mean())


def test_refuses_a_kernel_without_width():
    with pytest.raises(InvalidInput, match="epsilon is 0"):
        WeightedCFM(0.0)
    with pytest.raises(InvalidInput, match=r"p is 0\.5"):
        WeightedCFM(cost=PNorm(0.5))
