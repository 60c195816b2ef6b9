import importlib
import math

import numpy as np
import ot
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import assignment, semi_relaxed, sinkhorn, squared_euclidean, unbalanced

INF = math.inf


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def clouds(n, m, gen, scale=1.0):
    """In units of the mean cost."""
    x = torch.randn(n, 2, dtype=torch.float64, generator=gen)
    cost = squared_euclidean(x, scale * torch.randn(m, 2, dtype=torch.float64, generator=gen))
    return cost / cost.mean()


def kl(p, q):
    return (torch.special.xlogy(p, p / q) - p + q).sum().item()


def primal(plan, cost, epsilon, rho, *, a, b):
    value = (plan * cost).sum().item() + epsilon * kl(plan, a[:, None] * b)
    return value + sum(r * kl(p, q) for r, p, q in zip(rho, (plan.sum(1), plan.sum(0)), (a, b), strict=True) if r < INF)


RHOS = [(1.0, 1.0), (0.05, 20.0), (0.0, 1.0), (1.0, INF), (INF, 0.3), (0.0, INF), (0.01, 0.01), (1e4, 1e4), (INF, INF)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (40, 30)])
@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("epsilon", [0.02, 0.5])
def test_optimality_in_full(epsilon, rho, shape, gen):
    cost = clouds(*shape, gen)
    a, b = (torch.rand(k, dtype=torch.float64, generator=gen) + 0.1 for k in shape)
    b *= a.sum() / b.sum() if rho == (INF, INF) else 1.0
    found = unbalanced(cost, epsilon, rho, a=a, b=b, tolerance=1e-10)
    plan, f, g = found.plan, found.f, found.g
    torch.testing.assert_close(plan, a[:, None] * b * ((f[:, None] + g - cost) / epsilon).exp(), rtol=1e-9, atol=0)
    mass = plan.sum()
    for r, potential, weight, marginal in zip(rho, (f, g), (a, b), (plan.sum(1), plan.sum(0)), strict=True):
        if r == 0:
            assert potential.abs().max() == 0
        else:
            wanted = weight if r == INF else weight * (-potential / r).exp()
            assert (marginal - wanted).abs().sum() < 2e-10 * mass
    # the dual is below, the plan's own value above, and the gap between them is what is said
    value = primal(plan, cost, epsilon, rho, a=a, b=b)
    assert math.isclose(value, found.value, rel_tol=1e-8, abs_tol=1e-8)
    assert 0 <= found.gap < 1e-8


@pytest.mark.parametrize("rho", [0.1, 1.0, 10.0])
def test_agrees_with_pot(rho, gen):
    cost = clouds(25, 35, gen)
    a, b = np.full(25, 1 / 25), np.full(35, 1 / 35)
    other = ot.unbalanced.sinkhorn_unbalanced(a, b, cost.numpy(), 0.1, rho, stopThr=1e-13, numItermax=100_000)
    found = unbalanced(cost, 0.1, rho, tolerance=1e-11)
    torch.testing.assert_close(found.plan, torch.from_numpy(other), rtol=0, atol=1e-11)


def test_two_points_in_closed_form():
    # oracle O5: a d_x to b d_y at cost c has m = exp(((rho + eps) log(ab) - c) / (2 rho + eps))
    found = unbalanced(double([0.9]), 0.25, 0.7, a=double(1.3), b=double(0.6), tolerance=1e-13)
    assert math.isclose(found.plan.item(), 0.5023249513, abs_tol=1e-10)
    assert math.isclose(found.value, 0.6961638303, abs_tol=1e-10)
    # other published points: UOT-FM's parameters, unit masses
    for c, epsilon, rho, mass in ((0.5, 0.1, 1.0, 0.7881276), (1.2, 0.05, 0.3, 0.1578431)):
        assert math.isclose(unbalanced(double([c]), epsilon, rho, tolerance=1e-12).plan.item(), mass, abs_tol=1e-7)
    # epsilon = 0: rho (a + b - 2 sqrt(ab) exp(-c / 2 rho)); what epsilon adds is of its order
    limit = 0.7 * (1.9 - 2 * math.sqrt(0.78) * math.exp(-0.9 / 1.4))
    for epsilon in (1e-2, 1e-4):
        found = unbalanced(double([0.9]), epsilon, 0.7, a=double(1.3), b=double(0.6))
        assert abs(found.value - limit) < epsilon


GAUSSIANS = [
    # oracle O6 (half-square cost, epsilon = 0): m0, s0, m1, s1, rho -> slope and offset of the map, mass, value
    ((0.0, 1.0, 1.0, 0.5, 1.0), (0.6325, 0.6078, 0.86061, 0.27879)),
    ((-1.0, 0.8, 2.0, 1.3, 0.7), (1.2168, 0.7725, 0.45988, 0.75617)),
    ((0.0, 1.0, 0.0, 2.0, 5.0), (1.6330, 0.0, 0.96687, 0.33125)),
]


@pytest.mark.parametrize(("law", "golden"), GAUSSIANS)
def test_gaussians_in_closed_form(law, golden):
    m0, s0, m1, s1, rho = law
    slope, offset, mass, value = golden
    x = torch.linspace(m0 - 5 * s0, m0 + 5 * s0, 160, dtype=torch.float64)
    y = torch.linspace(m1 - 5 * s1, m1 + 5 * s1, 160, dtype=torch.float64)
    a, b = (torch.softmax(-(((z - m) / s) ** 2) / 2, 0) for z, m, s in ((x, m0, s0), (y, m1, s1)))
    epsilons = double(0.08, 0.04, 0.02)
    found = [unbalanced(squared_euclidean(x, y) / 2, e, rho, a=a, b=b, tolerance=1e-9) for e in epsilons.tolist()]
    # in one dimension the entropy of the plan adds eps (log eps / 2 + const) + O(eps^2): eliminated by three values
    basis = torch.stack([torch.ones(3).double(), epsilons * epsilons.log(), epsilons], 1)
    masses, values = double(*(q.plan.sum().item() for q in found)), double(*(q.value for q in found))
    assert abs(torch.linalg.solve(basis, values)[0].item() - value) < epsilons[1].item() ** 2
    assert abs(torch.linalg.solve(basis, masses)[0].item() - mass) < epsilons[1].item() ** 2
    # the mean target of a point of the plan: linear, with the slope of the map up to O(eps)
    middle = (x - m0).abs() < s0
    means = (found[-1].plan @ y / found[-1].plan.sum(1))[middle]
    line = torch.linalg.lstsq(torch.stack([x, torch.ones_like(x)], 1)[middle], means[:, None]).solution[:, 0]
    assert abs(line[0].item() - slope) < 0.02
    assert abs(line[1].item() - offset) < 0.02


def test_infinite_rho_is_balanced(gen):
    cost = clouds(30, 20, gen)
    balanced = sinkhorn(cost, 0.05, tolerance=1e-10)
    torch.testing.assert_close(unbalanced(cost, 0.05, INF, tolerance=1e-10).plan, balanced, rtol=0, atol=1e-10)
    errors = [(unbalanced(cost, 0.05, rho, tolerance=1e-10).plan - balanced).abs().sum() for rho in (10, 100, 1000)]
    # first order in 1 / rho
    assert 8 < errors[0] / errors[1] < 12
    assert 8 < errors[1] / errors[2] < 12


def test_zero_rho_leaves_the_kernel(gen):
    cost = clouds(30, 20, gen)
    kernel = (-cost / 0.3).exp() / 600
    torch.testing.assert_close(unbalanced(cost, 0.3, 0.0).plan, kernel, rtol=1e-12, atol=0)
    # f = rho log(a / P1), to first order with the kernel's own marginals
    bound = 1e-6 / 0.3 * ((30 * kernel.sum(1)).log().abs().max() + (20 * kernel.sum(0)).log().abs().max())
    change = (unbalanced(cost, 0.3, 1e-6).plan / kernel).log().abs().max()
    assert 0 < change < 1.01 * bound
    # and nothing travels where epsilon is small, too
    assert unbalanced(cost + 0.1, 1e-4, 1e-3).plan.sum() < 1e-15


@pytest.mark.parametrize("rho", [(1.0, 1.0), (20.0, 20.0), (3.0, 30.0), (5.0, INF)])
def test_acceleration_reaches_the_same_point_in_fewer_sweeps(rho, gen):
    cost = clouds(20, 20, gen)
    ways = [(False, False), (True, False), (True, True)]
    plain, translated, both = (unbalanced(cost, 0.05, rho, tolerance=1e-11, translate=t, over_relax=o) for t, o in ways)
    for other in (translated, both):
        torch.testing.assert_close(other.f, plain.f, rtol=0, atol=1e-8)
        torch.testing.assert_close(other.g, plain.g, rtol=0, atol=1e-8)
    assert plain.sweeps > translated.sweeps > both.sweeps


def test_translation_takes_the_strength_out_of_the_sweeps(gen):
    # the published finding: plain sweeps grow like rho / epsilon, translated ones level off at the balanced number
    cost = clouds(20, 20, gen)

    def sweeps(translate):
        return [
            unbalanced(cost, 0.2, rho, tolerance=1e-6, translate=translate, over_relax=False).sweeps
            for rho in (4.0, 20.0, 100.0)
        ]

    plain, translated = sweeps(False), sweeps(True)
    assert plain[1] > 3 * plain[0]
    assert plain[2] > 3 * plain[1]
    balanced = unbalanced(cost, 0.2, INF, tolerance=1e-6, over_relax=False).sweeps
    assert translated[2] <= 1.2 * balanced


def test_one_translation_makes_the_masses_equal(gen):
    # mass identity: sum P = a exp(-f / rho1) = b exp(-g / rho2)
    a, b = torch.rand(15, dtype=torch.float64, generator=gen), torch.rand(10, dtype=torch.float64, generator=gen)
    found = unbalanced(clouds(15, 10, gen), 0.1, (0.7, 3.0), a=a, b=b, tolerance=1e-12)
    assert math.isclose((a * (-found.f / 0.7).exp()).sum(), found.plan.sum(), rel_tol=1e-11)
    assert math.isclose((b * (-found.g / 3.0).exp()).sum(), found.plan.sum(), rel_tol=1e-11)


def test_the_plan_is_balanced_between_its_own_marginals(gen):
    cost = clouds(25, 25, gen)
    plan = unbalanced(cost, 0.05, 0.4, tolerance=1e-11).plan
    again = unbalanced(cost, 0.05, INF, a=plan.sum(1), b=plan.sum(0), tolerance=1e-11).plan
    torch.testing.assert_close(again, plan, rtol=0, atol=1e-11)


def test_the_gradient_of_the_value_is_the_plan(gen):
    cost = clouds(5, 6, gen)
    plan = unbalanced(cost, 0.1, (0.5, 2.0), tolerance=1e-12).plan
    bump = torch.zeros_like(cost)
    bump[2, 3] = 1e-4
    up, down = (unbalanced(cost + s * bump, 0.1, (0.5, 2.0), tolerance=1e-12).value for s in (1, -1))
    assert math.isclose((up - down) / 2e-4, plan[2, 3].item(), rel_tol=1e-6)


def test_outliers_are_left_behind(gen):
    # row 0 is so far away that its kernel entries and its mass underflow, the others do not notice
    cost = clouds(20, 20, gen)
    cost[0] += 1e5
    found = unbalanced(cost, 0.01, 0.5, tolerance=1e-9)
    assert found.plan[0].sum() == 0
    weights = torch.full((20,), 1 / 20, dtype=torch.float64)
    weights[0] = 0.0
    alone = unbalanced(cost, 0.01, 0.5, a=weights, tolerance=1e-9)
    torch.testing.assert_close(found.plan, alone.plan, rtol=0, atol=1e-10)


def test_masses_that_no_number_holds(gen):
    cost = clouds(20, 20, gen)
    far = unbalanced(cost + 1e6, 1.0, 2.0)
    assert far.plan.sum() == 0
    assert math.isclose(far.value, 2 * 2.0 + 1.0)  # give up both marginals, and the entropy's own mass
    # a constant in the cost is a constant in the potentials' sum, which keeps the shape
    near = unbalanced(cost, 1.0, 2.0)
    torch.testing.assert_close(far.f - far.f[0], near.f - near.f[0], rtol=0, atol=1e-5)
    with pytest.raises(InvalidInput, match="overflows"):
        unbalanced(cost - 1e6, 1.0, 2.0)


@pytest.mark.parametrize("drift", [0.0, 1e-3])
def test_absorbing_the_scalings_leaves_the_plan(drift, gen, monkeypatch):
    cost = clouds(30, 30, gen)
    plain = unbalanced(cost, 0.01, 0.3, tolerance=1e-11).plan
    monkeypatch.setattr(importlib.import_module("pushforward.transport.unbalanced"), "_DRIFT", drift)
    torch.testing.assert_close(unbalanced(cost, 0.01, 0.3, tolerance=1e-11).plan, plain, rtol=0, atol=1e-11)


def test_single_precision_in_and_out(gen):
    cost = clouds(20, 20, gen)
    found = unbalanced(cost.float(), 0.1, 1.0)
    assert found.plan.dtype == found.f.dtype == found.value.dtype == torch.float32
    torch.testing.assert_close(found.plan.double(), unbalanced(cost, 0.1, 1.0).plan, rtol=1e-4, atol=1e-9)


def test_semi_relaxed_keeps_its_columns_and_moves_its_rows(gen):
    cost = clouds(30, 20, gen)
    counts = torch.ones(30).double(), torch.ones(20).double()
    found = semi_relaxed(cost, 0.05, 0.5, a=counts[0], b=counts[1], tolerance=1e-10)
    torch.testing.assert_close(found.plan.sum(0), counts[1], rtol=0, atol=1e-14)
    torch.testing.assert_close(found.plan.sum(1), (-found.f / 0.5).exp(), rtol=0, atol=1e-8)
    # below the balanced value of the same epsilon, which is feasible
    uniform = semi_relaxed(cost, 0.05, 0.5, tolerance=1e-10)
    assert uniform.value < unbalanced(cost, 0.05, INF, tolerance=1e-10).value


def test_semi_relaxed_with_one_column():
    # row masses a_i exp(-c_i / (rho + eps)), normalised
    plan = semi_relaxed(double([0.2], [1.0]), 0.1, 1.0, tolerance=1e-12).plan
    torch.testing.assert_close(plan, double([0.67421], [0.32579]), rtol=0, atol=5e-6)


def test_semi_relaxed_limits(gen):
    cost = clouds(12, 12, gen)
    free = semi_relaxed(cost, 0.05, 0.0).plan
    torch.testing.assert_close(free, torch.softmax(-cost / 0.05, 0) / 12, rtol=1e-9, atol=0)
    nearest = semi_relaxed(cost, 1e-5, 0.0).plan
    assert nearest.argmax(0).equal(cost.argmin(0))
    torch.testing.assert_close(nearest.amax(0), torch.full((12,), 1 / 12, dtype=torch.float64), rtol=1e-9, atol=0)
    kept = semi_relaxed(cost, 0.05, 1e7, tolerance=1e-9).plan
    torch.testing.assert_close(kept, sinkhorn(cost, 0.05, tolerance=1e-9), rtol=0, atol=1e-7)


def test_growth_without_motion():
    # the same places, each target present twice: masses double, whatever rho (columns are kept)
    place = double(0.0, 10.0, 20.0)
    cost = squared_euclidean(place, place.repeat_interleave(2))
    plan = semi_relaxed(cost, 0.01, 5.0, a=torch.ones(3).double(), b=torch.ones(6).double()).plan
    torch.testing.assert_close(plan.sum(1), torch.full((3,), 2.0).double(), rtol=0, atol=1e-9)
    assert (plan * cost).sum() < 1e-9


def test_small_strengths_of_a_matching(gen):
    # epsilon -> 0, rho -> infinity is the assignment
    x = torch.arange(8, dtype=torch.float64)
    y = x[torch.randperm(8, generator=gen)] + 0.1 * torch.randn(8, dtype=torch.float64, generator=gen)
    cost = squared_euclidean(x, y)
    plan = unbalanced(cost, 0.05, 20.0).plan
    assert plan.argmax(1).equal(assignment(cost, tolerance=1e-8))


def test_refuses_what_cannot_be_done():
    cost = torch.rand(3, 4)
    with pytest.raises(InvalidInput, match="epsilon is 0"):
        unbalanced(cost, 0.0, 1.0)
    with pytest.raises(InvalidInput, match="rho is"):
        unbalanced(cost, 0.1, (1.0, -1.0))
    with pytest.raises(InvalidInput, match="different masses"):
        unbalanced(cost, 0.1, INF, b=torch.ones(4))
    with pytest.raises(InvalidInput, match="b has weights"):
        unbalanced(cost, 0.1, 1.0, b=torch.zeros(4))
    with pytest.raises(InvalidInput, match="raise epsilon, tolerance"):
        unbalanced(cost, 0.01, 100.0, tolerance=1e-12, max_iterations=3)
    with pytest.raises(InvalidInput, match="rows and columns"):
        unbalanced(torch.zeros(0, 2), 1.0, 1.0)
    cost[0, 0] = math.nan
    with pytest.raises(InvalidInput, match="not finite"):
        unbalanced(cost, 0.1, 1.0)


@pytest.mark.parametrize("offset", [1e3, -1e3])
def test_what_weighs_nothing_may_be_anywhere(offset, gen):
    cost, weights = clouds(5, 5, gen), double(0.25, 0.25, 0.25, 0.25, 0.0)
    cost[4] += offset
    found, part = unbalanced(cost, 0.1, 0.5, a=weights, tolerance=1e-9), unbalanced(cost[:4], 0.1, 0.5, tolerance=1e-9)
    assert math.isclose(found.value, part.value, rel_tol=1e-9)
    torch.testing.assert_close(found.plan[:4], part.plan, rtol=0, atol=1e-10)


def test_plans_of_whole_numbers_are_not_rounded():
    assert math.isclose(unbalanced(torch.tensor([[1]]), 0.1, 0.5).plan.item(), math.exp(-1 / 1.1), rel_tol=1e-5)


@pytest.mark.parametrize("rho", [(0.3, 0.3), (1.0, INF), (0.05, 2.0)])
def test_permuting_both_sides_permutes_the_plan(rho, gen):
    cost, a, b = clouds(30, 20, gen), torch.rand(30, generator=gen).double(), torch.rand(20, generator=gen).double()
    rows, columns = torch.randperm(30, generator=gen), torch.randperm(20, generator=gen)
    plain = unbalanced(cost, 0.1, rho, a=a, b=b, tolerance=1e-12)
    moved = unbalanced(cost[rows][:, columns], 0.1, rho, a=a[rows], b=b[columns], tolerance=1e-12)
    # both within 1e-12 of the mass of the marginals; what that is in the plan grows by the condition, about rho / eps
    torch.testing.assert_close(moved.plan, plain.plan[rows][:, columns], rtol=0, atol=1e-10)
    torch.testing.assert_close(moved.f, plain.f[rows], rtol=0, atol=1e-9)
    torch.testing.assert_close(moved.value, plain.value, rtol=1e-12, atol=0)
