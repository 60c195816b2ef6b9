"""Exact transport by its four roads (matrix, accelerator, coordinates, any weights), held against closed forms."""

import math

import ot
import pytest
import torch

from pushforward.core import InvalidInput, RunFailed
from pushforward.transport import _auction_torch, auction, exact_plan, point_auction, squared_euclidean


def clouds(n, d, gen, shift=0.0):
    x = torch.randn(n, d, dtype=torch.float64, generator=gen)
    y = torch.randn(n, d, dtype=torch.float64, generator=gen)
    return x, 3 * y.sign() + 0.3 * y + shift


def duplicates(n, gen):
    x = torch.randn(n, 2, generator=gen)
    return x[torch.randint(n // 16, (n,), generator=gen)], x[torch.randint(8, (n,), generator=gen)]


def heavy(n, gen):
    return tuple(torch.rand(n, 2, dtype=torch.float64, generator=gen).pow(-3) for _ in range(2))


def permuted(n, gen):
    x = torch.randn(n, 3, generator=gen)
    return x, x[torch.randperm(n, generator=gen)]


def on_a_grid(n, gen):
    return tuple(torch.randint(4, (n, 2), generator=gen).double() for _ in range(2))


POINTS = {
    "plane": lambda g: clouds(200, 2, g),
    "whole leaves": lambda g: clouds(192, 3, g),
    "less than a leaf": lambda g: clouds(10, 2, g),
    "two": lambda g: clouds(2, 2, g),
    "one": lambda g: clouds(1, 2, g),
    "line": lambda g: clouds(150, 1, g),
    "eight dimensions": lambda g: clouds(150, 8, g),
    "single precision": lambda g: tuple(z.float() for z in clouds(130, 2, g)),
    "far apart": lambda g: clouds(150, 2, g, shift=1e6),
    "far from the origin": lambda g: tuple(z + 1e6 for z in clouds(150, 2, g)),
    "tiny": lambda g: tuple(z * 1e-20 for z in clouds(150, 2, g)),
    "of different sizes": lambda g: (1e-6 * clouds(150, 2, g)[0], clouds(150, 2, g)[1]),
    "heavy tails": lambda g: heavy(150, g),
    "duplicates": lambda g: duplicates(128, g),
    "ties": lambda g: on_a_grid(128, g),
    "permuted": lambda g: permuted(130, g),
    "one point many times": lambda g: (torch.ones(70, 2), torch.randn(70, 2, generator=g)),
}


def bound(cost, prices):
    return (cost + prices).min(1).values.mean() - prices.mean()


def mean_cost(cost, permutation):
    return cost.gather(1, permutation[:, None]).mean()


@pytest.mark.parametrize("tolerance", [1e-2, 1e-8])
@pytest.mark.parametrize("name", POINTS)
def test_points_a_permutation_within_the_certified_gap(name, tolerance, gen):
    x, y = (z.double() for z in POINTS[name](gen))
    found = point_auction(x, y, tolerance=tolerance)
    assert found.permutation.sort().values.equal(torch.arange(len(x)))
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
    paid = mean_cost(cost, found.permutation)
    rounding = 1e-13 * cost.max()
    assert abs(paid - bound(cost, found.prices) - found.gap) <= rounding
    assert 0 <= found.gap <= found.target
    # relative to the optimum between the centred sets, or where that is nothing 1e-12 of their spread
    centred = [z - z.mean(0) for z in (x, y)]
    least = (centred[0] - centred[1][found.permutation]).square().sum(1).mean()
    sizes = [z.square().sum(1) for z in centred]
    floor = 1e-12 * (2 * (sizes[0].mean() * sizes[1].mean()).sqrt() + 2 * (sizes[0].max() * sizes[1].max()).sqrt())
    assert found.target <= tolerance * least + floor + 1e-14 * (sizes[0].mean() + sizes[1].mean()) + 1e-300


@pytest.mark.parametrize("name", POINTS)
def test_points_and_matrix_agree(name, gen):
    x, y = (z.double() for z in POINTS[name](gen))
    x, y = x - x.mean(0), y - y.mean(0)  # so that the matrix does not drown in what every pair pays
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
    points, matrix = point_auction(x, y), auction(cost, tolerance=1e-8)
    difference = mean_cost(cost, points.permutation) - mean_cost(cost, matrix.permutation)
    assert -points.gap - matrix.gap - 1e-13 * cost.max() <= difference
    assert difference <= points.gap + matrix.gap + 1e-13 * cost.max()


def test_points_permuted_give_the_permuted_answer(gen):
    x, y = clouds(300, 2, gen)
    one, two = torch.randperm(300, generator=gen), torch.randperm(300, generator=gen)
    plain, moved = point_auction(x, y).permutation, point_auction(x[one], y[two]).permutation
    assert two[moved].equal(plain[one])


def test_points_of_a_linear_map_are_its_own(gen):
    # Brenier: the gradient of a convex function is optimal, between the laws and between the samples
    x = torch.randn(5000, 3, dtype=torch.float64, generator=gen)
    factor = torch.randn(3, 3, dtype=torch.float64, generator=gen)
    order = torch.randperm(5000, generator=gen)
    found = point_auction(x, (x @ (factor @ factor.T) + 1.0)[order])
    assert order[found.permutation].equal(torch.arange(5000))


def test_points_refused():
    with pytest.raises(InvalidInput, match="cannot be matched"):
        point_auction(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(InvalidInput, match="tolerance is 2"):
        point_auction(torch.zeros(3, 2), torch.zeros(3, 2), tolerance=2.0)
    with pytest.raises(InvalidInput, match="not finite"):
        point_auction(torch.zeros(3, 2), torch.full((3, 2), math.nan))


@pytest.mark.parametrize("rounds", [1, 16])
@pytest.mark.parametrize("name", ["plane", "eight dimensions", "duplicates", "ties", "permuted", "heavy tails", "two"])
def test_all_rows_at_once_agree_with_one_after_the_other(name, rounds, gen):
    x, y = (z.double() for z in POINTS[name](gen))
    cost = squared_euclidean(x[:100], y[:100])
    found, other = _auction_torch.solve(cost, 1e-6, rounds=rounds), auction(cost, tolerance=1e-6)
    assert found.chosen.sort().values.equal(torch.arange(len(cost)))
    paid = mean_cost(cost, found.chosen)
    assert abs(paid - bound(cost, found.prices) - found.gap) <= 1e-14 * cost.max()
    assert found.gap <= found.target
    assert abs(paid - mean_cost(cost, other.permutation)) <= max(found.gap, other.gap) + 1e-14 * cost.max()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_all_rows_at_once_say_what_is_not_finite(value):
    cost = torch.rand(5, 5)
    cost[2, 3] = value
    assert math.isnan(_auction_torch.solve(cost, 1e-6).target)


@pytest.mark.parametrize("cost", [torch.full((4, 4), 3.0), torch.tensor([[7.0]]), torch.arange(3.0) + torch.ones(3, 1)])
def test_all_rows_at_once_where_every_permutation_costs_the_same(cost):
    found = _auction_torch.solve(cost, 1e-6)
    assert found.chosen.sort().values.equal(torch.arange(len(cost)))
    assert found.gap <= found.target


def test_plan_of_three_to_two_by_hand():
    x, y = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)
    found = exact_plan(squared_euclidean(x, y))
    by_hand = torch.tensor([[1 / 3, 0], [1 / 6, 1 / 6], [0, 1 / 3]], dtype=torch.float64)
    torch.testing.assert_close(found.plan, by_hand, rtol=0, atol=1e-15)
    assert found.value.item() == pytest.approx(1 / 3, rel=1e-14)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (40, 40), (30, 70), (70, 30)])
def test_plan_between_weights(n, m, gen):
    cost = 1e3 + 50 * torch.rand(n, m, dtype=torch.float64, generator=gen)
    a, b = (torch.rand(k, dtype=torch.float64, generator=gen) for k in (n, m))
    a[: n // 5] = 0.0
    b *= a.sum() / b.sum()
    found = exact_plan(cost, a, b)
    torch.testing.assert_close(found.plan.sum(1), a, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.plan.sum(0), b, rtol=0, atol=1e-12)
    assert (found.plan >= 0).all()
    assert (found.plan > 0).sum() <= n + m - 1
    used = a > 0
    assert (cost - found.f[:, None] - found.g)[used].min() >= -1e-10
    assert found.value - found.f @ a - found.g @ b <= 1e-10  # duality
    torch.testing.assert_close(found.value, (found.plan * cost).sum(), rtol=1e-14, atol=0)
    assert 0 <= found.gap < 1e-10


def test_plan_on_a_line_is_the_quantiles(gen):
    x, y = torch.randn(40, dtype=torch.float64, generator=gen), torch.randn(60, dtype=torch.float64, generator=gen)
    cost = squared_euclidean(x, y)
    value = (exact_plan(cost).plan * cost).sum().item()
    # both quantile functions are constant on the 120ths
    ranks = x.sort().values.repeat_interleave(3) - y.sort().values.repeat_interleave(2)
    assert value == pytest.approx(ranks.square().mean().item(), rel=1e-12)


def test_plan_of_equal_weights_costs_what_the_assignment_costs(gen):
    x, y = clouds(64, 5, gen)
    cost = squared_euclidean(x, y)
    value = (exact_plan(cost).plan * cost).sum()
    found = auction(cost, tolerance=1e-8)
    assert value - 1e-12 <= mean_cost(cost, found.permutation) <= value + found.gap + 1e-12


def test_the_value_is_differentiable_by_the_envelope_theorem(gen):
    cost = torch.rand(5, 7, dtype=torch.float64, generator=gen, requires_grad=True)
    (exact_plan(cost).plan * cost).sum().backward()
    step = 1e-6
    for i in range(5):
        for j in range(7):
            values = []
            for sign in (-1, 1):
                moved = cost.detach().clone()
                moved[i, j] += sign * step
                values.append((exact_plan(moved).plan * moved).sum())
            # piecewise linear: exact but for rounding, as no vertex changes within the step
            assert abs((values[1] - values[0]) / (2 * step) - cost.grad[i, j]) < 1e-8


def test_plan_keeps_total_dtype_and_says_what_is_wrong(gen):
    cost = torch.rand(4, 6, generator=gen)
    assert exact_plan(cost).plan.dtype == exact_plan(cost).value.dtype == torch.float32
    assert exact_plan(cost, torch.full((4,), 2.0)).plan.sum().item() == pytest.approx(8.0, rel=1e-6)
    with pytest.raises(InvalidInput, match="a weighs 4 and b 12"):
        exact_plan(cost, torch.ones(4), 2 * torch.ones(6))
    with pytest.raises(InvalidInput, match=r"a has shape \[3\], expected \[4\]"):
        exact_plan(cost, torch.ones(3))
    with pytest.raises(InvalidInput, match="b has weights that are negative"):
        exact_plan(cost, None, torch.tensor([-1.0, 1, 1, 1, 1, 1]))
    with pytest.raises(InvalidInput, match="not finite"):
        exact_plan(cost / 0)


def test_a_plan_that_stops_early_is_not_returned(monkeypatch, gen):
    solver = ot.emd
    monkeypatch.setattr(ot, "emd", lambda *args, **kwargs: solver(*args, **kwargs | {"numItermax": 1}))
    with pytest.warns(UserWarning, match="numItermax"), pytest.raises(RunFailed, match="did not finish"):
        exact_plan(torch.rand(50, 50, generator=gen))


def test_a_plan_above_its_bound_is_not_returned(monkeypatch, gen):
    solver = ot.emd

    def wrong(rows, columns, cost, **kwargs):
        plan, log = solver(rows, columns, cost, **kwargs)
        return plan[::-1].copy(), log  # right marginals for uniform weights, another plan

    monkeypatch.setattr(ot, "emd", wrong)
    with pytest.raises(RunFailed, match="above its bound"):
        exact_plan(torch.rand(20, 20, generator=gen))


def test_plan_of_whole_numbers_is_not_rounded():
    found = exact_plan(torch.tensor([[0, 4], [1, 1], [4, 0]]))
    torch.testing.assert_close(6 * found.plan, torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))


def test_permuting_both_sides_permutes_the_plan(gen):
    cost, a, b = torch.rand(30, 20, dtype=torch.float64, generator=gen), *torch.rand(2, 30, generator=gen).double()
    b = b[:20] * a.sum() / b[:20].sum()
    rows, columns = torch.randperm(30, generator=gen), torch.randperm(20, generator=gen)
    plain, moved = exact_plan(cost, a, b), exact_plan(cost[rows][:, columns], a[rows], b[columns])
    # costs drawn from a density have one optimal vertex; its entries are sums and differences of at most 50 weights
    torch.testing.assert_close(moved.plan, plain.plan[rows][:, columns], rtol=0, atol=1e-13)
    torch.testing.assert_close(moved.value, plain.value, rtol=1e-13, atol=0)
