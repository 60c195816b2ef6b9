import importlib
import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import SemiRelaxed, UnbalancedOT
from pushforward.couplings._draws import draw_rows
from pushforward.transport import semi_relaxed, sinkhorn, squared_euclidean, unbalanced


def clouds(rows, gen):
    return torch.randn(rows, 2, generator=gen), 1 + 0.5 * torch.randn(rows, 2, generator=gen)


def solved(found, solve, args, rest):
    if not found:
        found.append(solve(*args, **rest))
    return found[0]


def again():
    return torch.Generator().manual_seed(3)


def frequencies(coupling, x0, x1, draws, *, gen, monkeypatch):
    """How much every (source, data) pair counts, from draws of one plan; sums to 1."""
    for name in ("unbalanced", "semi_relaxed"):
        module = importlib.import_module(f"pushforward.couplings.{name}")
        solve = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, solve=solve, found=[], **rest: solved(found, solve, args, rest))
    counts = torch.zeros(len(x0), len(x1), dtype=torch.float64)
    for _ in range(draws):
        pairs = coupling(x0, x1, generator=gen)
        source = (pairs.x0[:, None] == x0[None]).all(-1).double().argmax(1)
        counts[source, torch.arange(len(x1))] += 1.0 if pairs.weight is None else pairs.weight
    return counts / (draws * len(x1))


def test_weighted_pairs_follow_the_normalised_plan(gen, monkeypatch):
    x0, x1 = clouds(6, gen)
    plan = unbalanced(squared_euclidean(x0, x1).double(), 0.5, (0.7, 2.0), tolerance=1e-9).plan
    plan = plan / plan.sum()
    draws = 600
    found = frequencies(
        UnbalancedOT(0.5, 0.7, 2.0, relative=False, tolerance=1e-9), x0, x1, draws, gen=gen, monkeypatch=monkeypatch
    )
    column = plan.sum(0)
    torch.testing.assert_close(found.sum(0), column, rtol=0, atol=1e-6)  # weights are not drawn
    share = plan / column
    error = column * (share * (1 - share) / draws).sqrt()  # 36 entries: five standard errors
    assert ((found - plan).abs() < 5 * error + 1e-4).all()


def test_semi_relaxed_pairs_follow_the_plan(gen, monkeypatch):
    x0, x1 = clouds(6, gen)
    plan = semi_relaxed(squared_euclidean(x0, x1).double(), 0.5, 0.7, tolerance=1e-9).plan
    draws = 600
    coupling = SemiRelaxed(0.5, 0.7, relative=False, tolerance=1e-9)
    found = frequencies(coupling, x0, x1, draws, gen=gen, monkeypatch=monkeypatch)
    assert coupling(x0, x1).weight is None
    share = 6 * plan
    assert ((found - plan).abs() < 5 * (share * (1 - share) / draws).sqrt() / 6 + 1e-4).all()


def test_infinite_strengths_are_entropic_transport(gen):
    x0, x1 = clouds(40, gen)
    cost = squared_euclidean(x1, x0)
    balanced = draw_rows(sinkhorn(cost, 0.05 * cost.mean().item(), tolerance=1e-9), again())
    for coupling in (
        UnbalancedOT(0.05, math.inf, math.inf, tolerance=1e-9),
        UnbalancedOT(0.05, 1e7, 1e7, tolerance=1e-9),
        SemiRelaxed(0.05, math.inf, tolerance=1e-9),
    ):
        pairs = coupling(x0, x1, generator=again())
        assert pairs.x0.equal(x0[balanced])
        if pairs.weight is not None:
            torch.testing.assert_close(pairs.weight, torch.ones(40), rtol=0, atol=1e-5)


def test_a_kept_data_marginal_has_weights_of_one(gen):
    pairs = UnbalancedOT(rho_data=math.inf)(*clouds(30, gen))
    torch.testing.assert_close(pairs.weight, torch.ones(30), rtol=0, atol=1e-6)


def test_weights_are_the_tilt_that_the_docstring_states(gen):
    x0, x1 = clouds(30, gen)
    pairs = UnbalancedOT(0.2, 3.0, 0.5, relative=False, tolerance=1e-10)(x0, x1)
    found = unbalanced(squared_euclidean(x0, x1).double(), 0.2, (3.0, 0.5), tolerance=1e-10)
    tilt = torch.softmax(-found.g / 0.5, 0) * 30
    torch.testing.assert_close(pairs.weight.double(), tilt, rtol=1e-5, atol=1e-7)
    # and the two marginals pay less than the balanced plan costs
    plan, balanced = found.plan, unbalanced(squared_euclidean(x0, x1).double(), 0.2, math.inf)
    paid = sum(rho * (torch.xlogy(p, 30 * p) - p + 1 / 30).sum() for rho, p in ((3.0, plan.sum(1)), (0.5, plan.sum(0))))
    assert 0 < paid < balanced.value


def test_free_marginals_leave_the_kernel(gen):
    x0, x1 = clouds(20, gen)
    pairs = UnbalancedOT(0.5, 0.0, 0.0, relative=False)(x0, x1)
    kernel = (-squared_euclidean(x0, x1) / 0.5).exp().sum(0)
    torch.testing.assert_close(pairs.weight, 20 * kernel / kernel.sum(), rtol=1e-4, atol=1e-6)


def test_outliers_weigh_nothing_and_proportions_are_met(gen):
    # two clusters, shares 3 : 1 in the source and 1 : 1 in the data, and one point that has no counterpart
    left, right = torch.tensor([-5.0, 0.0]), torch.tensor([5.0, 0.0])
    noise = 0.3 * torch.randn(2, 80, 2, generator=gen)
    x0 = torch.cat([left.expand(60, 2), right.expand(20, 2)]) + noise[0]
    x1 = torch.cat([left.expand(40, 2), right.expand(40, 2)]) + noise[1]
    x1[0] = torch.tensor([0.0, 60.0])
    pairs = UnbalancedOT(0.2, 4.0, 4.0, relative=False)(x0, x1, generator=again())
    assert pairs.weight[0] < 1e-6
    same = (pairs.x0[:, 0] > 0) == (pairs.x1[:, 0] > 0)
    assert (pairs.weight * ~same).sum() < 1e-6
    # without entropy two clusters of masses a and b meet with sqrt(a b): 3 : 1 and 1 : 1 give sqrt(3) : 1
    mass = pairs.weight[1:40].sum() / pairs.weight[40:].sum()
    assert math.isclose(mass, math.sqrt(3 * 39 / 40), rel_tol=0.05)


def test_relative_counts_in_mean_costs(gen):
    x0, x1 = (x.double() for x in clouds(40, gen))
    unit = squared_euclidean(x0, x1).mean().item()
    for relative, absolute in (
        (UnbalancedOT(0.02, 0.3, 0.4), UnbalancedOT(0.02 * unit, 0.3 * unit, 0.4 * unit, relative=False)),
        (SemiRelaxed(0.02, 0.3), SemiRelaxed(0.02 * unit, 0.3 * unit, relative=False)),
    ):
        first, second = relative(x0, x1, generator=again()), absolute(x0, x1, generator=again())
        assert first.x0.equal(second.x0)
        if first.weight is not None:
            torch.testing.assert_close(first.weight, second.weight, rtol=1e-6, atol=1e-9)


def test_permuting_the_data_permutes_the_weights(gen):
    x0, x1 = clouds(30, gen)
    order = torch.randperm(30, generator=gen)
    plain, moved = UnbalancedOT()(x0, x1).weight, UnbalancedOT()(x0, x1[order]).weight
    torch.testing.assert_close(moved, plain[order], rtol=1e-4, atol=1e-6)


def test_semi_relaxed_grows_what_has_descendants(gen):
    # one source of ten is near all the data: the others may be left at a price
    x0 = torch.cat([torch.zeros(1, 2), torch.full((9, 2), 10.0)])
    x1 = 0.1 * torch.randn(10, 2, generator=gen)
    assert SemiRelaxed(0.1, 1.0, relative=False)(x0, x1).x0.eq(0).all()
    assert SemiRelaxed(0.1, 1e6, relative=False)(x0, x1, generator=again()).x0.ne(0).any()


def test_refuses_what_cannot_be_done():
    for make in (UnbalancedOT, SemiRelaxed):
        with pytest.raises(InvalidInput, match="epsilon is 0"):
            make(epsilon=0.0)
        with pytest.raises(InvalidInput, match="tolerance is -1"):
            make(tolerance=-1.0)
    with pytest.raises(InvalidInput, match="rho_data is -1"):
        UnbalancedOT(rho_data=-1.0)
    with pytest.raises(InvalidInput, match="rho is -1"):
        SemiRelaxed(rho=-1.0)
