import itertools
import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.couplings import BombOT, ExactOT, Independent, PartialOT
from pushforward.transport import PNorm


def clouds(rows, gen):
    return torch.randn(rows, 2, generator=gen), 1 + torch.randn(rows, 2, generator=gen)


def mean_cost(pairs):
    return (pairs.x0 - pairs.x1).square().sum(1).mean().item()


EXACT = ExactOT(tolerance=1e-8)


def table(x0, x1, blocks):
    """Inner costs, sources by data."""
    parts = x0.tensor_split(blocks), x1.tensor_split(blocks)
    return torch.tensor([[mean_cost(EXACT(x, y)) for y in parts[1]] for x in parts[0]])


def test_one_mini_batch_is_the_inner_coupling(gen):
    x0, x1 = clouds(30, gen)
    assert BombOT(1, EXACT)(x0, x1).x0.equal(EXACT(x0, x1).x0)
    partial = PartialOT(0.7)
    assert BombOT(1, partial)(x0, x1).weight.equal(partial(x0, x1).weight)


@pytest.mark.parametrize("blocks", [20, 50])
def test_mini_batches_of_one_row_are_exact_transport(blocks, gen):
    x0, x1 = clouds(20, gen)
    assert BombOT(blocks)(x0, x1).x0.equal(EXACT(x0, x1).x0)


def test_the_outer_plan_is_the_best_of_all_permutations(gen):
    x0, x1 = clouds(32, gen)
    phi = table(x0, x1, 4)
    best = min(phi[list(order), range(4)].mean() for order in itertools.permutations(range(4)))
    assert math.isclose(mean_cost(BombOT(4, EXACT)(x0, x1)), best, rel_tol=1e-6)


def test_between_transport_of_the_union_and_the_mini_batch_average(gen):
    x0, x1 = clouds(64, gen)
    union, average = mean_cost(EXACT(x0, x1)), table(x0, x1, 8).mean().item()
    assert union < mean_cost(BombOT(8, EXACT)(x0, x1)) < average


def test_shuffled_mini_batches_find_each_other(gen):
    # the same mini-batches in another order: cost 0 here, more than 0 for the mini-batch average
    x = torch.randn(40, 2, generator=gen)
    order = torch.tensor([2, 0, 3, 1])
    y = x.reshape(4, 10, 2)[order].flatten(0, 1)
    pairs = BombOT(4)(x, y)
    assert pairs.x0.equal(y)
    assert table(x, y, 4).mean() > 0.1


def test_infinite_entropy_is_the_mini_batch_average(gen):
    x0, x1 = clouds(24, gen)
    phi = table(x0, x1, 3)
    coupling = BombOT(3, EXACT, math.inf)
    costs = torch.tensor([mean_cost(coupling(x0, x1, generator=gen)) for _ in range(100)])
    assert abs(costs.mean() - phi.mean()) < 4 * costs.std() / math.sqrt(100)


def test_entropy_leads_from_one_to_the_other(gen):
    x0, x1 = clouds(20, gen)

    def cost(epsilon):
        return sum(mean_cost(BombOT(4, EXACT, epsilon)(x0, x1, generator=gen)) for _ in range(20)) / 20

    assert math.isclose(cost(1e-3), mean_cost(BombOT(4, EXACT)(x0, x1)), rel_tol=1e-6)
    assert mean_cost(BombOT(4, EXACT)(x0, x1)) < cost(0.05) < cost(10.0)


@pytest.mark.parametrize(("rows", "blocks"), [(20, 3), (7, 4), (1, 4), (5, 5), (9, 2)])
def test_sizes_that_do_not_divide(rows, blocks, gen):
    x0, x1 = clouds(rows, gen)
    label = torch.arange(rows)
    pairs = BombOT(blocks)(x0, x1, label)
    assert pairs.x1.equal(x1)
    assert pairs.cond.equal(label)
    assert pairs.x0.sort(0).values.equal(x0.sort(0).values)


def test_what_the_inner_coupling_does_is_kept(gen):
    x0, x1 = clouds(40, gen)
    pairs = BombOT(4, PartialOT(0.8))(x0, x1)
    assert pairs.weight.reshape(4, 10).mean(1).allclose(torch.ones(4))
    assert (pairs.weight == 0).sum() == 8


def test_reordering_the_mini_batches_of_sources_changes_nothing(gen):
    x0, x1 = clouds(40, gen)
    order = torch.randperm(4, generator=gen)
    moved = x0.reshape(4, 10, 2)[order].flatten(0, 1)
    coupling = BombOT(4, EXACT)
    assert coupling(moved, x1).x0.equal(coupling(x0, x1).x0)


def test_refuses_what_cannot_be_done():
    with pytest.raises(InvalidInput, match="blocks is 0"):
        BombOT(0)
    with pytest.raises(InvalidInput, match="epsilon is -1"):
        BombOT(epsilon=-1.0)
    x = torch.zeros(4, 2)
    with pytest.raises(Incompatible, match="keeps the number of rows"):
        BombOT(2, lambda x0, x1, cond, generator: Pairs((x0[:1], x1[:1])))(x, x)
    with pytest.raises(InvalidInput, match="have no distance"):
        BombOT(2, Independent())(x.long(), x.long())


def test_the_outer_plan_counts_in_the_cost_of_the_inner_coupling(gen):
    x0, x1 = clouds(16, gen)
    x0 = x0 * torch.tensor([5.0, 1.0])
    inner = ExactOT(PNorm(1), tolerance=1e-8)
    distance = lambda pairs: (pairs.x0 - pairs.x1).abs().sum(1).mean().item()
    parts = x0.tensor_split(4), x1.tensor_split(4)
    phi = torch.tensor([[distance(inner(x, y)) for y in parts[1]] for x in parts[0]])
    best = min(phi[list(order), range(4)].mean().item() for order in itertools.permutations(range(4)))
    assert math.isclose(distance(BombOT(4, inner)(x0, x1)), best, rel_tol=1e-6)
