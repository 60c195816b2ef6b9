import itertools
import math

import ot
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import assignment, partial, partial_assignment, squared_euclidean


def clouds(n, m, gen, dtype=torch.float64):
    x = torch.randn(n, 2, dtype=dtype, generator=gen)
    return squared_euclidean(x, torch.randn(m, 2, dtype=dtype, generator=gen) + 1)


def total(cost, found):
    rows = (found.column >= 0).nonzero()[:, 0]
    return cost[rows, found.column[rows]].sum().item()


SHAPES = [(1, 1), (1, 4), (6, 6), (5, 9), (9, 5), (40, 40)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_plan_of_the_mass_and_its_certificate(shape, share, weighted, gen):
    cost = clouds(*shape, gen)
    a, b = (
        torch.rand(k, dtype=torch.float64, generator=gen) if weighted else torch.full((k,), 1 / k, dtype=torch.float64)
        for k in shape
    )
    if weighted and shape[0] > 2:
        a[1] = 0.0
    mass = share * min(a.sum(), b.sum()).item()
    rounding = 1e-12 * (1 + mass * cost.max().item())
    found = partial(cost, mass, a=a, b=b) if weighted else partial(cost, mass)
    plan = found.plan
    assert (plan >= 0).all()
    assert abs(plan.sum() - mass) < 1e-12
    assert (plan.sum(1) <= a + 1e-12).all()
    assert (plan.sum(0) <= b + 1e-12).all()
    # KKT of the Lagrangian form, by hand
    f, g, level = found.f, found.g, found.level
    assert f.max() <= 0
    assert g.max() <= 0
    assert (f[:, None] + g + level - cost).max() <= 1e-12
    bound = a @ f + b @ g + level * mass
    assert found.gap < rounding
    assert (found.value - (plan * cost).sum()).abs() < rounding
    assert (found.value - bound).abs() < rounding  # so the inequality is an equality wherever there is mass
    unused = a - plan.sum(1)
    assert (f * unused).abs().max() < rounding  # and what is left of a row is left for nothing
    if share < 1:
        value = ot.partial.partial_wasserstein2(a.numpy(), b.numpy(), cost.numpy(), m=mass)
        assert math.isclose((plan * cost).sum().item(), value, abs_tol=1e-10)


def test_full_mass_is_exact_transport(gen):
    cost = clouds(30, 30, gen)
    best = cost[torch.arange(30), assignment(cost, tolerance=1e-8)].mean()
    assert math.isclose((partial(cost, 1.0).plan * cost).sum().item(), best.item(), rel_tol=1e-7)
    assert partial_assignment(cost, 30, tolerance=1e-8).column.equal(assignment(cost, tolerance=1e-8))


def test_the_cost_is_convex_in_the_mass_and_level_is_its_slope(gen):
    cost = clouds(12, 12, gen)
    masses = torch.linspace(0.04, 0.96, 24).tolist()
    found = [partial(cost, s) for s in masses]
    values = [(x.plan * cost).sum().item() for x in found]
    slopes = [(v - u) / (t - s) for (s, u), (t, v) in itertools.pairwise(zip(masses, values, strict=True))]
    assert all(s <= t + 1e-9 for s, t in itertools.pairwise(slopes))
    # the level is a subgradient: between the slopes to the left and to the right
    for left, x, right in zip(slopes, found[1:], slopes[1:], strict=False):
        assert left - 1e-9 <= x.level <= right + 1e-9


def test_little_mass_takes_the_cheapest_pair(gen):
    cost = clouds(7, 9, gen)
    found = partial(cost, 1e-4)
    assert math.isclose((found.plan * cost).sum().item() / 1e-4, cost.min().item(), rel_tol=1e-9)
    assert math.isclose(found.level, cost.min().item(), rel_tol=1e-9)
    assert total(cost, partial_assignment(cost, 1)) == cost.min().item()


def test_two_by_two():
    # sheet of m-POT: the pair that costs nothing, alone
    plan = partial(torch.tensor([[0.0, 10.0], [10.0, 4.0]]), 0.5).plan
    assert plan.equal(torch.tensor([[0.5, 0.0], [0.0, 0.0]]))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(6, 6), (20, 30), (30, 20), (64, 64)])
def test_pairs_are_the_simplex_answer(shape, share, gen):
    cost = clouds(*shape, gen)
    n, m = shape
    pairs = max(1, round(share * min(shape)))
    found = partial_assignment(cost, pairs, tolerance=1e-8)
    ones = torch.ones(n).double(), torch.ones(m).double()
    exact = (partial(cost, float(pairs), a=ones[0], b=ones[1]).plan * cost).sum().item()
    columns = found.column[found.column >= 0]
    assert len(columns) == pairs == len(columns.unique())
    assert exact - 1e-9 <= total(cost, found) <= exact + pairs * found.gap + 1e-9
    assert found.gap < 1e-6 * cost.mean()
    bound = (found.f.sum() + found.g.sum()).item() + pairs * found.level
    assert max(found.f.max(), found.g.max()) <= 0
    assert (found.f[:, None] + found.g + found.level - cost).max() <= 1e-9
    assert math.isclose(total(cost, found) - bound, pairs * found.gap, rel_tol=1e-6, abs_tol=1e-9)


def test_on_a_line_the_pairs_do_not_cross(gen):
    x, y = torch.randn(40, 1, generator=gen).double(), 2 + torch.randn(40, 1, generator=gen).double()
    found = partial_assignment(squared_euclidean(x, y), 25, tolerance=1e-8)
    rows = (found.column >= 0).nonzero()[:, 0]
    order = x[rows, 0].argsort()
    assert (y[found.column[rows][order], 0].diff() > 0).all()


def test_a_loose_tolerance_still_gives_so_many_pairs(gen):
    for seed in range(20):
        cost = clouds(30, 30, torch.Generator().manual_seed(seed))
        for pairs in (3, 15, 27):
            found = partial_assignment(cost, pairs, tolerance=1.0)
            columns = found.column[found.column >= 0]
            assert len(columns) == pairs == len(columns.unique())
            exact = (partial(cost, pairs / 30).plan * cost).sum().item() * 30
            assert exact - 1e-9 <= total(cost, found) <= exact + pairs * found.gap + 1e-9


def test_offsets_and_units(gen):
    cost = clouds(15, 12, gen)
    plain = partial(cost, 0.6)
    for scale, offset in ((1e-20, 0.0), (1e20, 0.0), (1.0, -5.0), (1.0, 1e4)):
        found = partial(scale * cost + offset, 0.6)
        assert math.isclose(found.level, scale * plain.level + offset, rel_tol=1e-9)
        torch.testing.assert_close(found.plan, plain.plan, rtol=0, atol=1e-12)


def test_permuting_rows_permutes_the_answer(gen):
    cost = clouds(20, 20, gen)
    order = torch.randperm(20, generator=gen)
    torch.testing.assert_close(partial(cost[order], 0.7).plan, partial(cost, 0.7).plan[order], rtol=0, atol=1e-12)
    found, moved = partial_assignment(cost, 14, tolerance=1e-8), partial_assignment(cost[order], 14, tolerance=1e-8)
    assert moved.column.equal(found.column[order])


def test_single_precision_in_and_out(gen):
    cost = clouds(20, 20, gen, torch.float32)
    assert partial(cost, 0.5).plan.dtype == torch.float32
    found = partial_assignment(cost, 10)
    assert (found.f.dtype, found.column.dtype) == (torch.float32, torch.int64)
    assert total(cost.double(), found) <= (partial(cost.double(), 0.5).plan * cost).sum() * 20 * (1 + 1e-4)


def test_refuses_what_cannot_be_done():
    cost = torch.rand(3, 4)
    for mass in (0.0, -1.0, 1.1, math.nan):
        with pytest.raises(InvalidInput, match="mass is"):
            partial(cost, mass)
    for pairs in (0, 4):
        with pytest.raises(InvalidInput, match=f"pairs is {pairs}"):
            partial_assignment(cost, pairs)
    with pytest.raises(InvalidInput, match="a has weights"):
        partial(cost, 0.5, a=torch.tensor([1.0, -1.0, 1.0]))
    cost[1, 1] = math.nan
    with pytest.raises(InvalidInput, match="not finite"):
        partial(cost, 0.5)
    with pytest.raises(InvalidInput, match="not finite"):
        partial_assignment(cost, 2)


def test_whole_numbers_are_not_rounded():
    cost = torch.tensor([[0, 10], [10, 4]])
    assert partial(cost, 0.5).plan.equal(torch.tensor([[0.5, 0.0], [0.0, 0.0]]))
    assert partial_assignment(cost, 1).f.dtype == torch.float32
