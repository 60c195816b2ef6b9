import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import ExactOT, PartialOT
from pushforward.transport import partial, squared_euclidean


def clouds(rows, gen):
    return torch.randn(rows, 2, generator=gen), 1 + torch.randn(rows, 2, generator=gen)


def value(pairs):
    """Mean cost of what counts."""
    return ((pairs.x0 - pairs.x1).square().sum(1) * pairs.weight).mean().item()


def test_full_mass_is_exact(gen):
    x0, x1 = clouds(60, gen)
    pairs = PartialOT(1.0, tolerance=1e-8)(x0, x1)
    assert pairs.x0.equal(ExactOT(tolerance=1e-8)(x0, x1).x0)
    assert pairs.weight.equal(torch.ones(60))


@pytest.mark.parametrize("mass", [0.1, 0.5, 0.9])
def test_the_weighted_pairs_are_the_exact_plan(mass, gen):
    x0, x1 = clouds(40, gen)
    pairs = PartialOT(mass, tolerance=1e-8)(x0, x1)
    cost = squared_euclidean(x1.double(), x0.double())
    exact = (partial(cost, mass).plan * cost).sum().item() / mass
    assert math.isclose(value(pairs), exact, rel_tol=1e-5)
    assert pairs.weight.unique().tolist() == pytest.approx([0.0, 1 / mass])


def test_pairs_cost_more_the_more_of_them_count(gen):
    x0, x1 = (x.double() for x in clouds(50, gen))
    values = [value(PartialOT(mass, tolerance=1e-8)(x0, x1)) for mass in (0.02, 0.2, 0.5, 0.8, 1.0)]
    assert values == sorted(values)
    assert math.isclose(values[0], squared_euclidean(x0, x1).min().item(), rel_tol=1e-5)


def test_published_cost_of_a_batch(gen):
    # sheet of m-POT: four Gaussians, B = 64, s = 0.85, cost per mass 1.70 where exact transport pays 2.64. Those
    # clusters are not given, the effect is: what is left out is a tenth of the pairs and more than a tenth of the cost
    costs = {0.85: [], 1.0: []}
    for _ in range(20):
        centre = 3 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        x0 = torch.randn(64, 2, generator=gen)
        x1 = centre[torch.randint(4, (64,), generator=gen)] + 0.3 * torch.randn(64, 2, generator=gen)
        for mass, found in costs.items():
            found.append(value(PartialOT(mass)(x0, x1)))
    assert sum(costs[0.85]) < 0.85 * sum(costs[1.0])


def test_outliers_weigh_nothing(gen):
    x0 = torch.randn(50, 2, generator=gen)
    x1 = torch.randn(50, 2, generator=gen)
    x1[::10] += 100.0
    label = torch.arange(50)
    pairs = PartialOT(0.9)(x0, x1, label)
    assert pairs.cond.equal(label)
    assert (pairs.weight == 0).nonzero()[:, 0].tolist() == [0, 10, 20, 30, 40]


def test_both_marginals_are_trimmed_by_the_stated_amount(gen):
    # mass 0.8: density ratio at most 1 / 0.8 on either side, total variation at most 0.2
    x0, x1 = clouds(100, gen)
    pairs = PartialOT(0.8)(x0, x1)
    density = pairs.weight
    assert density.max() <= 1 / 0.8 + 1e-6
    assert math.isclose((density - 1).clamp_min(0).mean(), 0.2, rel_tol=1e-5)
    assert pairs.x0.sort(0).values.equal(x0.sort(0).values)  # each source stands for one row, weighed as that row


def test_permuting_both_sides_permutes_the_pairs(gen):
    x0, x1 = clouds(40, gen)
    coupling = PartialOT(0.75, tolerance=1e-8)
    pairs = coupling(x0, x1)
    order, other = torch.randperm(40, generator=gen), torch.randperm(40, generator=gen)
    moved = coupling(x0[other], x1[order])
    assert moved.weight.equal(pairs.weight[order])
    counts = moved.weight > 0
    assert moved.x0[counts].equal(pairs.x0[order][counts])


def test_refuses_what_cannot_be_done():
    for mass in (0.0, 1.1, math.nan):
        with pytest.raises(InvalidInput, match="mass is"):
            PartialOT(mass)
    with pytest.raises(InvalidInput, match="tolerance is 2"):
        PartialOT(tolerance=2.0)
