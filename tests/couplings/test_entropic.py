import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import EntropicOT, ExactOT
from pushforward.data import EightGaussians
from pushforward.transport import sinkhorn, squared_euclidean


def indices(coupling, x0, x1, gen):
    """Which source each data row drew."""
    return (coupling(x0, x1, generator=gen).x0[:, None] == x0[None]).all(-1).double().argmax(1)


def test_draws_follow_the_plan(gen):
    x0, x1 = torch.randn(6, 2, generator=gen), torch.randn(6, 2, generator=gen)
    plan = sinkhorn(squared_euclidean(x0, x1), 1.0)
    draws = 1500
    coupling = EntropicOT(1.0, relative=False)
    counts = torch.zeros(6, 6)
    for _ in range(draws):
        counts[indices(coupling, x0, x1, gen), torch.arange(6)] += 1
    # every column is a multinomial of `draws`; 36 entries, so five standard errors
    probability = 6 * plan
    error = (probability * (1 - probability) / draws).sqrt()
    assert ((counts / draws - probability).abs() < 5 * error + 1e-3).all()


@pytest.mark.parametrize("replacement", [True, False])
def test_small_epsilon_is_the_exact_permutation(replacement, gen):
    # data near a permutation of the sources: the nearest wrong partner costs far more than epsilon
    x0 = torch.arange(12.0)[:, None]
    x1 = x0[torch.randperm(12, generator=gen)] + 0.05 * torch.randn(12, 1, generator=gen)
    pairs = EntropicOT(0.02, relative=False, replacement=replacement)(x0, x1, generator=gen)
    assert pairs.x0.equal(ExactOT()(x0, x1).x0)


@pytest.mark.parametrize("replacement", [True, False])
def test_large_epsilon_is_chance(replacement, gen):
    x0, x1 = torch.randn(500, 2, generator=gen), 3 + torch.randn(500, 2, generator=gen)
    pairs = EntropicOT(1e4, replacement=replacement)(x0, x1, generator=gen)
    correlation = torch.corrcoef(torch.stack([pairs.x0[:, 0], pairs.x1[:, 0]]))[0, 1]
    assert correlation.abs() < 4 / math.sqrt(500)


def test_relative_epsilon_does_not_see_the_unit(gen):
    x0, x1 = torch.randn(40, 2, generator=gen).double(), torch.randn(40, 2, generator=gen).double()
    small = indices(EntropicOT(), x0, x1, torch.Generator().manual_seed(1))
    large = indices(EntropicOT(), 1024 * x0, 1024 * x1, torch.Generator().manual_seed(1))
    assert small.equal(large)


def test_relative_counts_in_mean_costs(gen):
    x0, x1 = torch.randn(40, 2, generator=gen).double(), torch.randn(40, 2, generator=gen).double()
    epsilon = 0.1 * squared_euclidean(x1, x0).mean().item()
    relative = indices(EntropicOT(0.1), x0, x1, torch.Generator().manual_seed(1))
    assert relative.equal(indices(EntropicOT(epsilon, relative=False), x0, x1, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("dimension", [1, 2])
def test_gaussians_reach_the_entropic_covariance(dimension, gen):
    # sheet 0: N(0, 1) to N(0, 0.6^2) under epsilon = 2 sigma^2 has Cov(x0, x1) = (sqrt(4 s^2 + sigma^4) - sigma^2) / 2,
    # 0.3211102551 for sigma^2 = 0.8; independent coordinates do not mix
    rows, batches = 512, 24
    products = []
    for _ in range(batches):
        x0 = torch.randn(rows, dimension, generator=gen)
        x1 = 0.6 * torch.randn(rows, dimension, generator=gen)
        pairs = EntropicOT(1.6, relative=False)(x0, x1, generator=gen)
        products.append((pairs.x0 * pairs.x1).mean())
    products = torch.stack(products)
    error = products.std().item() / math.sqrt(batches)
    # a batch plan is off by O(1 / B): its fluctuations are O(1 / sqrt(B)) and enter the mean squared
    assert abs(products.mean().item() - 0.3211102551) < 4 * error + 2 * dimension / rows


def test_the_source_marginal_is_kept_on_average(gen):
    total, draws, rows = torch.zeros(20), 1000, 20
    x0, x1 = torch.randn(rows, 2, generator=gen), torch.randn(rows, 2, generator=gen)
    for _ in range(draws):
        total += torch.bincount(indices(EntropicOT(0.2), x0, x1, gen), minlength=rows)
    # the count of a source has mean 1 and variance at most 1 in a batch
    assert (total / draws - 1).abs().max() < 4.5 / math.sqrt(draws)


@pytest.mark.parametrize("arguments", [{"epsilon": 0.0}, {"epsilon": -1.0}, {"tolerance": 0.0}])
def test_refuses_bad_arguments(arguments):
    with pytest.raises(InvalidInput, match="expected a positive number"):
        EntropicOT(**arguments)


@pytest.mark.parametrize("rows", [64, 256])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-6])
def test_where_the_plan_is_nearly_a_permutation_the_pairs_are_one_of_least_cost(rows, epsilon):
    generator = torch.Generator().manual_seed(rows)
    x0, x1 = torch.randn(rows, 2, generator=generator), EightGaussians().sample(rows, generator=generator)
    pairs = EntropicOT(epsilon)(x0, x1, generator=generator)
    assert torch.equal(pairs.x0.sort(0).values, x0.sort(0).values)

    def cost(found):
        return (found.x0 - found.x1).square().sum(1).mean()

    # Gumbel noise of so small a scale moves the mean cost by a few epsilon, times the logarithm of the rows, at most
    assert (
        cost(pairs)
        <= cost(ExactOT(tolerance=1e-8)(x0, x1)) + 4 * epsilon * math.log(rows) * torch.cdist(x0, x1).square().mean()
    )
