import itertools
import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import _scaling, assignment, entropic_ot, squared_euclidean
from pushforward.transport._scaling import Dense


def clouds(n, m, gen, d=2):
    x, y = (torch.randn(k, d, dtype=torch.float64, generator=gen) for k in (n, m))
    return squared_euclidean(x, 2 * y.sign() + 0.3 * y)


def weights(n, gen):
    w = 0.1 + torch.rand(n, dtype=torch.float64, generator=gen)
    return w / w.sum()


def normal_grid(points, mean, std):
    w = torch.exp(-((points - mean) ** 2) / (2 * std**2))
    return w / w.sum()


def gaussian_ot(mean, a, b, eps):
    """Half-square cost, in one dimension (Janati et al., https://arxiv.org/abs/2006.02572)."""
    D = math.sqrt(4 * a * b + eps**2)
    return mean**2 / 2 + (a + b - D) / 2 + eps / 2 * (1 - math.log(2 * eps)) + eps / 2 * math.log(D + eps)


def test_gaussians_in_closed_form():
    # N(0, 1) to N(0.7, 1.5^2) at eps = 0.5 is 0.9154386; the trapezium rule on a Gaussian is exact to e^-pi^2/h^2
    grid = torch.linspace(-9, 9, 241, dtype=torch.float64)
    a, b = normal_grid(grid, 0, 1), normal_grid(grid, 0.7, 1.5)
    found = entropic_ot((grid[:, None] - grid) ** 2 / 2, 0.5, a, b, tolerance=1e-10)
    assert gaussian_ot(0.7, 1.0, 2.25, 0.5) == pytest.approx(0.9154386, abs=1e-7)
    # the target's tails are cut at 5.5 standard deviations: 1e-7 of the mass, at most 30 away in cost
    assert found.value.item() == pytest.approx(0.9154386, abs=5e-6)
    covariance = (found.plan * grid[:, None] * (grid - 0.7)).sum()
    assert covariance.item() == pytest.approx((math.sqrt(4 * 2.25 + 0.25) - 0.5) / 2, abs=1e-4)


def test_semi_discrete_map_is_a_sigmoid():
    # Unif[0, 1] to two Diracs, half-square cost: P(1 | x) = sigmoid((x - 1/2) / eps)
    x = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    for eps in (0.3, 0.05):
        cost = (x[:, None] - torch.tensor([0.0, 1.0], dtype=torch.float64)) ** 2 / 2
        share = 2000 * entropic_ot(cost, eps, tolerance=1e-13).plan[:, 1]
        torch.testing.assert_close(share, torch.sigmoid((x - 0.5) / eps), rtol=0, atol=1e-9)
    # its squared L2 error to the step is 2 (log 2 - 1/2) eps, up to e^{-1/eps} at the ends
    error = (share - (x > 0.5).double()).square().mean() / 0.05
    assert error.item() == pytest.approx(2 * (math.log(2) - 0.5), rel=1e-4)


def test_two_by_two_in_closed_form():
    c, eps = 2.0, 0.7
    found = entropic_ot(torch.tensor([[0.0, c], [c, 0.0]], dtype=torch.float64), eps, tolerance=1e-13)
    q = 1 / (1 + math.exp(c / eps))  # the share off the diagonal
    assert found.plan[0, 1].item() == pytest.approx(q / 2, rel=1e-10)
    assert found.value.item() == pytest.approx(c * q + eps * (q * math.log(2 * q) + (1 - q) * math.log(2 - 2 * q)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (30, 50), (64, 20)])
@pytest.mark.parametrize("strength", [1.0, 0.05, 0.01])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_marginals_potentials_and_value(shape, strength, dtype, gen):
    cost, a, b = clouds(*shape, gen), weights(shape[0], gen), weights(shape[1], gen)
    found = entropic_ot(cost.to(dtype), strength, a, b, relative=True, tolerance=1e-6)
    assert all(part.dtype == dtype for part in found)
    plan = found.plan.double()
    rounding = 1e-7 if dtype == torch.float32 else 1e-15
    assert (plan.sum(1) - a).abs().sum() <= 1e-6 + rounding
    assert (plan.sum(0) - b).abs().sum() <= 1e-6 + rounding
    f, g, eps = found.f.double(), found.g.double(), found.epsilon.double()
    assert eps.item() == pytest.approx(strength * cost.mean().item(), rel=1e-6)
    again = a[:, None] * b * ((f[:, None] + g - cost) / eps).exp()
    scale = 1e-10 if dtype == torch.float64 else 1e-3  # exponents up to 1000 in float32
    assert (again - plan).abs().sum() < scale
    primal = (plan * cost).sum() + eps * (torch.xlogy(plan, plan / (a[:, None] * b))).sum()
    # weak duality, with plans whose marginals are off by 1e-6 of potentials of the size of the cost
    assert found.value.item() == pytest.approx(primal.item(), abs=1e-5 * cost.max().item())
    assert (a @ f).item() == pytest.approx((b @ g).item(), abs=1e-5 * cost.max().item())


def test_weights_of_zero_leave_the_rest_alone(gen):
    cost, a, b = clouds(6, 5, gen), weights(6, gen), weights(5, gen)
    a[2] = b[4] = 0
    a, b = a / a.sum(), b / b.sum()
    rows, columns = a > 0, b > 0
    whole = entropic_ot(cost, 0.5, a, b, tolerance=1e-12)
    part = entropic_ot(cost[rows][:, columns], 0.5, a[rows], b[columns], tolerance=1e-12)
    assert whole.plan[2].eq(0).all()
    torch.testing.assert_close(whole.plan[rows][:, columns], part.plan, rtol=0, atol=1e-12)
    # where nothing is, the potential is the soft minimum of what the others leave
    soft = -0.5 * (b * ((whole.g - cost[2]) / 0.5).exp()).sum().log()
    assert whole.f[2].item() == pytest.approx(soft.item(), rel=1e-8)


def test_newton_takes_weights_of_zero(gen):
    cost, a, b = clouds(9, 7, gen), weights(9, gen), weights(7, gen)
    a[2] = b[4] = 0
    scaled, newton = (
        entropic_ot(cost, 0.5, a / a.sum(), b / b.sum(), tolerance=1e-11, max_iterations=k) for k in (2000, 2)
    )
    for one, other in zip(scaled, newton, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("strength", [0.5, 0.02])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batched_is_looped(strength, dtype, gen):
    scales = torch.tensor([[1.0, 100.0], [0.01, 1.0], [3.0, 30.0]], dtype=torch.float64)
    cost = torch.stack([clouds(24, 17, gen) for _ in range(6)]).reshape(3, 2, 24, 17) * scales[..., None, None]
    a = torch.stack([weights(24, gen) for _ in range(6)]).reshape(3, 2, 24)
    together = entropic_ot(cost.to(dtype), strength, a, relative=True, tolerance=1e-9)
    for k in itertools.product(range(3), range(2)):
        alone = entropic_ot(cost[k].to(dtype), strength, a[k], relative=True, tolerance=1e-9)
        for one, other in zip(together, alone, strict=True):
            # both within 1e-9 of the marginals: the plan's error is that times its condition, about 1 / rate gap
            size = other.abs().max().item()
            torch.testing.assert_close(one[k], other, rtol=0, atol=size * (1e-6 if dtype == torch.float64 else 1e-5))


def test_a_hard_problem_in_a_batch_gets_newton(gen):
    easy, hard = clouds(8, 8, gen), clouds(8, 8, gen, d=1)
    plans = entropic_ot(torch.stack([easy / easy.mean(), 100 * hard / hard.mean()]), 0.3, tolerance=1e-9).plan
    assert (plans.sum(1) - 1 / 8).abs().sum(1).max() <= 1.01e-9
    assert (plans.sum(2) - 1 / 8).abs().sum(1).max() <= 1.01e-9


def test_the_dual_never_falls_under_plain_iterations(gen):
    cost, a, b = clouds(30, 20, gen), weights(30, gen), weights(20, gen)
    source = Dense(cost, torch.tensor(0.1 * cost.mean().item(), dtype=torch.float64))
    sweep = source.at(*source.start(), torch.float64)
    u, v, duals = torch.ones_like(a), torch.ones_like(b), []
    for _ in range(60):
        _, u, columns = sweep(u, b * v, a, -torch.ones(1, dtype=torch.float64))
        duals.append((a @ u.log() + b @ v.log() - (b * v * columns).sum()).item())
        v = 1 / columns
        duals.append((a @ u.log() + b @ v.log() - 1).item())
    assert all(later >= earlier - 1e-13 for earlier, later in itertools.pairwise(duals))
    assert duals[-1] > duals[0] + 1e-3


def test_offsets_of_rows_and_columns_move_the_potentials(gen):
    cost = clouds(20, 30, gen)
    r, s = 10 * torch.randn(20, dtype=torch.float64, generator=gen), torch.randn(30, dtype=torch.float64, generator=gen)
    plain, moved = entropic_ot(cost, 0.3, tolerance=1e-11), entropic_ot(cost + r[:, None] + s, 0.3, tolerance=1e-11)
    torch.testing.assert_close(moved.plan, plain.plan, rtol=0, atol=1e-10)
    change = (moved.f - plain.f - r)[:, None] + (moved.g - plain.g - s)
    torch.testing.assert_close(change, torch.zeros_like(change), rtol=0, atol=1e-6)
    assert (moved.value - plain.value - r.mean() - s.mean()).abs() < 1e-9


def test_values_between_the_limits(gen):
    cost = clouds(40, 40, gen)
    values = [entropic_ot(cost, e, relative=True).value.item() for e in (0.003, 0.01, 0.05, 0.5, 5.0, 1e5)]
    best = cost[torch.arange(40), assignment(cost, tolerance=1e-8)].mean().item()
    assert best < values[0] < best + 0.003 * cost.mean().item() * math.log(40)
    assert all(a < b for a, b in itertools.pairwise(values))
    assert values[-1] == pytest.approx(cost.mean().item(), rel=1e-4)


def test_outliers_whose_kernel_vanishes(gen):
    # a row a thousand epsilons from all columns: no kernel without absorption has any entry for it
    cost = clouds(40, 40, gen)
    cost[7] += 1000 * torch.rand(40, dtype=torch.float64, generator=gen)
    plan = entropic_ot(cost, 0.2, tolerance=1e-9).plan
    assert (plan.sum(1) - 1 / 40).abs().sum() <= 1.01e-9


def test_costs_that_are_all_zero():
    plan = entropic_ot(torch.zeros(3, 4), 0.1, relative=True).plan
    torch.testing.assert_close(plan, torch.full((3, 4), 1 / 12))


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (torch.tensor([0.5, 0.6]), "another sum"),
        (torch.tensor([1.5, -0.5]), "negative"),
        (torch.tensor([math.nan, 1.0]), "not finite"),
    ],
)
def test_refuses_bad_weights(bad, match):
    with pytest.raises(InvalidInput, match=match):
        entropic_ot(torch.zeros(2, 2), 1.0, bad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strength", [0.05, 0.005])
def test_single_precision_first_ends_in_the_same_place(dtype, strength, gen, monkeypatch):
    cost = clouds(90, 60, gen).to(dtype)
    double = entropic_ot(cost, strength, relative=True, tolerance=1e-9)
    monkeypatch.setattr(_scaling, "_SMALL", 0)
    both = entropic_ot(cost, strength, relative=True, tolerance=1e-9)
    for one, other in zip(both, double, strict=True):
        size = other.abs().max().item()
        torch.testing.assert_close(one, other, rtol=0, atol=size * (1e-6 if dtype == torch.float64 else 1e-5))
    assert (both.plan.double().sum(1) - 1 / 90).abs().sum() < (1.01e-9 if dtype == torch.float64 else 1e-6)


@pytest.mark.parametrize("offset", [1e3, -1e3, 1e5, -1e5])
def test_what_weighs_nothing_may_be_anywhere(offset, gen):
    cost, w = clouds(5, 5, gen), torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0], dtype=torch.float64)
    cost[4] += offset
    cost[:, 4] += offset
    cost[4, 4] = 0.0  # cheap between two that both weigh nothing: the entry overflows where offset > 0
    cost.requires_grad_()
    found = entropic_ot(torch.stack([cost, cost]), 0.1, torch.stack([w, w]), torch.stack([w, w]), tolerance=1e-11)
    part = entropic_ot(cost[:4, :4], 0.1, tolerance=1e-11)
    torch.testing.assert_close(found.plan[1, :4, :4], part.plan, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.value[1], part.value, rtol=0, atol=1e-9)
    assert found.f.isfinite().all()
    (slope,) = torch.autograd.grad(found.value[1] + found.plan[1, 0, 1], cost)
    (wanted,) = torch.autograd.grad(part.value + part.plan[0, 1], cost)
    torch.testing.assert_close(slope, wanted, rtol=0, atol=1e-8)


def test_permuting_rows_and_columns_permutes_the_plan(gen):
    cost, rows, columns = clouds(30, 20, gen), torch.randperm(30, generator=gen), torch.randperm(20, generator=gen)
    plain, moved = (entropic_ot(c, 0.1, relative=True, tolerance=1e-11) for c in (cost, cost[rows][:, columns]))
    torch.testing.assert_close(moved.plan, plain.plan[rows][:, columns], rtol=0, atol=1e-10)


def test_plans_of_whole_numbers_and_halves_keep_their_marginals(gen):
    whole = torch.tensor([[0, 1], [1, 0]])
    torch.testing.assert_close(entropic_ot(whole, 1.0).plan, entropic_ot(whole.float(), 1.0).plan)
    # a 512 * 512th is below what half precision resolves
    plan = entropic_ot(torch.rand(512, 512, generator=gen).half(), 1.0).plan
    assert plan.dtype == torch.float32
    assert (plan.sum(1) - 1 / 512).abs().sum() < 2e-6


def test_refuses_a_negative_mean_cost_as_unit(gen):
    with pytest.raises(InvalidInput, match="mean cost is negative"):
        entropic_ot(-clouds(5, 5, gen), 0.1, relative=True)
