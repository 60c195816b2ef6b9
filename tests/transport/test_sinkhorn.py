import importlib
import itertools
import math

import numpy as np
import ot
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import assignment, entropic_ot, sinkhorn, squared_euclidean


def clouds(n, m, d, gen):
    x = torch.randn(n, d, dtype=torch.float64, generator=gen)
    y = torch.randn(m, d, dtype=torch.float64, generator=gen)
    return squared_euclidean(x, 2 * y.sign() + 0.3 * y)


SHAPES = [(1, 1), (1, 5), (6, 1), (40, 40), (30, 50), (100, 100)]


@pytest.mark.parametrize("strength", [5.0, 0.5, 0.05, 0.01])
@pytest.mark.parametrize("shape", SHAPES)
def test_marginals_to_tolerance_and_the_form_of_a_minimiser(shape, strength, gen):
    cost = clouds(*shape, 2, gen)
    epsilon = strength * cost.mean().item()
    plan = sinkhorn(cost, epsilon, tolerance=1e-8)
    assert plan.dtype == torch.float64
    assert torch.isfinite(plan).all()
    assert (plan.sum(1) - 1 / shape[0]).abs().sum() <= 1.001e-8
    assert (plan.sum(0) - 1 / shape[1]).abs().sum() <= 1.001e-8
    # optimal among plans with these marginals iff log P + C / eps is a function of the row plus one of the column
    sum_of_two = plan.log() + cost / epsilon
    centred = sum_of_two - sum_of_two.mean(0) - sum_of_two.mean(1, keepdim=True) + sum_of_two.mean()
    seen = plan > 1e-250
    assert centred[seen].abs().max() < 1e-9 * (1 + sum_of_two.abs().max())


@pytest.mark.parametrize("strength", [0.5, 0.05])
def test_agrees_with_pot(strength, gen):
    cost = clouds(40, 40, 2, gen)
    epsilon = strength * cost.mean().item()
    weights = np.full(40, 1 / 40)
    other = ot.sinkhorn(weights, weights, cost.numpy(), epsilon, method="sinkhorn_log", stopThr=1e-10, numItermax=10000)
    torch.testing.assert_close(sinkhorn(cost, epsilon, tolerance=1e-10), torch.from_numpy(other), rtol=0, atol=1e-9)


def test_two_by_two_in_closed_form():
    for epsilon in (0.05, 0.3, 1.0, 20.0):
        plan = sinkhorn(torch.tensor([[0.0, 2.0], [2.0, 0.0]], dtype=torch.float64), epsilon, tolerance=1e-12)
        assert math.isclose(plan[0, 1].item(), 0.5 / (1 + math.exp(2 / epsilon)), rel_tol=1e-9)


def test_small_epsilon_tends_to_the_assignment(gen):
    # every y is near an x of its own: what a plan costs above the permutation falls like exp(-distance / epsilon)
    x = torch.arange(8, dtype=torch.float64)
    y = x[torch.randperm(8, generator=gen)] + 0.1 * torch.randn(8, dtype=torch.float64, generator=gen)
    cost = squared_euclidean(x, y)
    best = cost[torch.arange(8), assignment(cost, tolerance=1e-8)].mean()
    above = []
    for epsilon in (0.5, 0.25, 0.125):
        plan = sinkhorn(cost, epsilon)
        above.append(((plan * cost).sum() - best).item())
    assert plan.argmax(1).equal(assignment(cost, tolerance=1e-8))
    assert 0 < above[2] < above[1] / 10 < above[0] / 50


def test_large_epsilon_tends_to_the_product(gen):
    cost = clouds(8, 12, 2, gen)
    plan = sinkhorn(cost, 1e6 * cost.mean().item())
    torch.testing.assert_close(plan, torch.full_like(plan, 1 / 96), rtol=1e-5, atol=0)


def test_transport_cost_grows_with_epsilon(gen):
    cost = clouds(50, 50, 2, gen)
    costs = [(sinkhorn(cost, e * cost.mean().item()) * cost).sum() for e in (0.005, 0.05, 0.5, 5.0)]
    assert all(a < b for a, b in itertools.pairwise(costs))
    assert cost[torch.arange(50), assignment(cost)].mean() < costs[0]
    assert costs[-1] < cost.mean()


def test_offsets_of_rows_and_columns_leave_the_plan(gen):
    cost = clouds(20, 30, 2, gen)
    extra = 1e4 * torch.randn(20, 1, dtype=torch.float64, generator=gen) + 1e4 * torch.randn(
        30, dtype=torch.float64, generator=gen
    )
    epsilon = 0.05 * cost.mean().item()
    plain, moved = sinkhorn(cost, epsilon, tolerance=1e-9), sinkhorn(cost + extra, epsilon, tolerance=1e-9)
    torch.testing.assert_close(plain, moved, rtol=0, atol=1e-9)


def test_absorbing_the_scalings_leaves_the_plan(gen, monkeypatch):
    cost = clouds(60, 60, 2, gen)
    epsilon = 0.01 * cost.mean().item()
    plain = sinkhorn(cost, epsilon, tolerance=1e-11)
    limits = dict.fromkeys((torch.float32, torch.float64), 1e-3)
    monkeypatch.setattr(importlib.import_module("pushforward.transport._scaling"), "_DRIFT", limits)
    torch.testing.assert_close(sinkhorn(cost, epsilon, tolerance=1e-11), plain, rtol=0, atol=1e-10)


def test_costs_that_underflow_in_a_plain_kernel(gen):
    # exp(-C / eps) is 0 in float64 for every pair; the differences within rows and columns are ordinary
    cost = clouds(30, 30, 2, gen)
    plan = sinkhorn(cost + 1e4, 0.5)
    torch.testing.assert_close(plan, sinkhorn(cost, 0.5), rtol=0, atol=1e-9)


def test_single_precision_in_and_out(gen):
    cost = clouds(30, 30, 2, gen)
    plan = sinkhorn(cost.float(), 0.5)
    assert plan.dtype == torch.float32
    torch.testing.assert_close(plan.double(), sinkhorn(cost, 0.5), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_weights_are_the_marginals(batch, gen):
    cost = torch.rand(*batch, 20, 15, dtype=torch.float64, generator=gen)
    a, b = (0.1 + torch.rand(*batch, n, dtype=torch.float64, generator=gen) for n in (20, 15))
    a, b = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
    plan = sinkhorn(cost, 0.1, a, b, tolerance=1e-9)
    assert (plan.sum(-1) - a).abs().sum(-1).max() <= 1.001e-9
    assert (plan.sum(-2) - b).abs().sum(-1).max() <= 1.001e-9
    assert plan.equal(entropic_ot(cost, 0.1, a, b, tolerance=1e-9).plan)


@pytest.mark.parametrize("shape", [(1, 4), (12, 12), (60, 60), (25, 40), (40, 25)])
def test_newton_reaches_the_same_plan(shape, gen):
    cost = clouds(*shape, 2, gen)
    epsilon = 0.05 * cost.mean().item()
    scaled = sinkhorn(cost, epsilon, tolerance=1e-10, max_iterations=5000)
    newton = sinkhorn(cost, epsilon, tolerance=1e-10, max_iterations=0)
    torch.testing.assert_close(newton, scaled, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_converges_next_to_a_permutation(seed):
    # small batches at small epsilon, where scalings alone need 10^4 to 10^8 iterations
    gen = torch.Generator().manual_seed(seed)
    cost = clouds(8, 8, 1, gen)
    plan = sinkhorn(cost, 0.004 * cost.mean().item(), tolerance=1e-8)
    assert (plan.sum(1) - 1 / 8).abs().sum() < 1.001e-8
    assert (plan.sum(0) - 1 / 8).abs().sum() < 1.001e-8
    best = cost[torch.arange(8), assignment(cost, tolerance=1e-8)].mean()
    assert best - 1e-9 <= (plan * cost).sum() <= best + 0.004 * cost.mean() * math.log(8)  # entropy is log 8 at most


def test_raises_where_it_has_not_converged(gen):
    with pytest.raises(InvalidInput, match="raise epsilon or tolerance"):
        sinkhorn(clouds(50, 50, 2, gen), 0.01, tolerance=1e-30)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_refuses_what_is_not_finite(value):
    cost = torch.rand(3, 3)
    cost[1, 1] = value
    with pytest.raises(InvalidInput, match="not finite"):
        sinkhorn(cost, 1.0)


def test_refuses_bad_arguments():
    with pytest.raises(InvalidInput, match="epsilon is 0"):
        sinkhorn(torch.zeros(2, 2), 0.0)
    with pytest.raises(InvalidInput, match="rows and columns"):
        sinkhorn(torch.zeros(0, 2), 1.0)
    with pytest.raises(InvalidInput, match="raise epsilon"):
        sinkhorn(torch.ones(2, 2), 1e-310)
