"""Transport that knows conditions: its limits, its weight, and the source that a class sees."""

import itertools
import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from pushforward.core import InvalidInput
from pushforward.couplings import ConditionalOT, ExactOT
from pushforward.couplings.conditional import _weight
from pushforward.transport import CosineDistance, squared_euclidean

TIGHT = {"tolerance": 1e-8}


def clouds(rows, gen, classes=3):
    x0, x1 = torch.randn(rows, 2, generator=gen).double(), 2 + torch.randn(rows, 2, generator=gen).double()
    return x0, x1, torch.randint(classes, (rows,), generator=gen)


def indices(pairs, x0):
    return (pairs.x0[:, None] == x0).all(-1).double().argmax(1)


def total(pairs):
    return (pairs.x0 - pairs.x1).square().sum().item()


def share(cost, between, weight):
    """r(w), as the paper defines it."""
    return (cost + weight * between <= cost.diagonal()[:, None]).double().mean().item()


@pytest.mark.parametrize("cond", ["labels", "vectors", None])
def test_without_weight_it_is_plain_transport(cond, gen):
    x0, x1, label = clouds(60, gen)
    given = {"labels": label, "vectors": x1, None: None}[cond]
    plain = ExactOT(**TIGHT)(x0, x1).x0
    assert ConditionalOT(weight=0.0, **TIGHT)(x0, x1, given).x0.equal(plain)
    if cond is None:
        assert ConditionalOT(**TIGHT)(x0, x1).x0.equal(plain)


@pytest.mark.parametrize("weight", [None, 0.3, 1e6, math.inf])
@pytest.mark.parametrize("cond", [torch.zeros(40, dtype=torch.int64), torch.full((40, 3), 2.0)])
def test_one_condition_for_all_says_nothing(weight, cond, gen):
    x0, x1, _ = clouds(40, gen)
    assert ConditionalOT(weight, **TIGHT)(x0, x1, cond).x0.equal(ExactOT(**TIGHT)(x0, x1).x0)


@pytest.mark.parametrize("weight", [None, math.inf, 1e6])
def test_a_large_weight_never_crosses_classes_and_is_transport_within_each(weight, gen):
    x0, x1, label = clouds(90, gen)
    pairs = ConditionalOT(weight, **TIGHT)(x0, x1, label)
    assert label[indices(pairs, x0)].equal(label)
    for k in range(3):
        mine, alone = pairs.x0[label == k], ExactOT(**TIGHT)(x0[label == k], x1[label == k]).x0
        assert mine.equal(alone)


def test_labels_cost_what_the_penalised_assignment_costs(gen):
    x0, x1, label = clouds(70, gen, classes=12)
    cost = squared_euclidean(x1, x0) + 1e6 * (label[:, None] != label)
    rows, columns = linear_sum_assignment(cost.numpy())
    assert total(ConditionalOT(**TIGHT)(x0, x1, label)) == pytest.approx(cost[rows, columns].sum().item(), rel=1e-7)


def test_on_a_line_ranks_meet_within_each_class(gen):
    x0, x1 = torch.randn(200, 1, generator=gen), torch.randn(200, 1, generator=gen).exp()
    label = torch.randint(2, (200,), generator=gen)
    pairs = ConditionalOT(**TIGHT)(x0, x1, label)
    for k in (0, 1):
        mine = label == k
        assert pairs.x0[mine][pairs.x1[mine, 0].argsort()].equal(x0[mine].sort(0).values)


def test_distinct_vectors_under_an_infinite_weight_are_independent_pairs(gen):
    x0, x1, _ = clouds(30, gen)
    assert ConditionalOT(math.inf)(x0, x1, x1).x0.equal(x0)
    repeated = x1[torch.arange(30) // 2]  # two rows of every vector may trade
    pairs = ConditionalOT(math.inf, **TIGHT)(x0, x1, repeated)
    assert (indices(pairs, x0) // 2).equal(torch.arange(30) // 2)


@pytest.mark.parametrize("condition_cost", [None, CosineDistance()])
def test_the_weight_trades_distance_for_condition(condition_cost, gen):
    x0, x1, _ = clouds(64, gen)
    cond = torch.randn(64, 3, generator=gen).double()
    costs = [] if condition_cost is None else [condition_cost]
    between = CosineDistance()(cond, cond) if costs else squared_euclidean(cond, cond)
    found = []
    for weight in (0.0, 0.1, 1.0, 10.0, 1e3):
        given = {"condition_cost": costs[0]} if costs else {}
        pairs = ConditionalOT(weight, **given, **TIGHT)(x0, x1, cond)
        found.append((total(pairs), between[torch.arange(64), indices(pairs, x0)].sum().item()))
    # of two minimisers of a + w b, the one of the larger w has the larger a and the smaller b
    for (a, b), (c, d) in itertools.pairwise(found):
        assert c >= a - 1e-6
        assert d <= b + 1e-6
    assert found[-1][1] < found[0][1]


def test_labels_and_vectors_in_one_mapping_add_up(gen):
    x0, x1, label = clouds(50, gen)
    cond = {"vector": x1, "label": label}
    pairs = ConditionalOT(0.7, **TIGHT)(x0, x1, cond)
    cost = squared_euclidean(x1, x0) + 0.7 * (squared_euclidean(x1, x1) + (label[:, None] != label))
    rows, columns = linear_sum_assignment(cost.numpy())
    assert cost[torch.arange(50), indices(pairs, x0)].sum().item() == pytest.approx(
        cost[rows, columns].sum().item(), rel=1e-7
    )
    both = ConditionalOT(**TIGHT)(x0, x1, {"a": label, "b": label // 2})  # labels only: sets of equal pairs of labels
    assert label[indices(both, x0)].equal(label)


@pytest.mark.parametrize("ratio", [0.02, 0.05, 0.2])
def test_the_weight_found_is_the_one_asked_for(ratio, gen):
    x0, x1, _ = clouds(256, gen)
    cost, between = squared_euclidean(x1, x0), squared_euclidean(x1[:, :1], x1[:, :1])
    weight = _weight(cost, between, ratio)
    assert share(cost, between, weight * (1 - 1e-9)) == pytest.approx(ratio, abs=1.5 / 256**2)
    grid = [share(cost, between, w) for w in (0.0, weight / 2, weight, 2 * weight, 1e15)]
    assert all(a >= b for a, b in itertools.pairwise(grid))
    # the entries are not independent: rows and columns are, so the error is of order 1 / sqrt(B)
    assert abs(grid[0] - 0.5) < 3 / math.sqrt(256)
    assert grid[-1] == pytest.approx(1 / 256, abs=2.5 / 256**2)  # equal conditions: the diagonal


def test_adaptive_is_the_fixed_weight_of_the_batch(gen):
    x0, x1, _ = clouds(128, gen)
    cond = x1[:, :1]
    weight = _weight(squared_euclidean(x1, x0), squared_euclidean(cond, cond), 0.05)
    adaptive = ConditionalOT(ratio=0.05, **TIGHT)(x0, x1, cond)
    assert adaptive.x0.equal(ConditionalOT(weight, **TIGHT)(x0, x1, cond).x0)
    assert not adaptive.x0.equal(ExactOT(**TIGHT)(x0, x1).x0)


def test_a_batch_that_needs_no_weight_does_not_switch_it_off(gen):
    x0, x1, _ = clouds(64, gen)
    coupling, cond = ConditionalOT(ratio=0.2, **TIGHT), x1[:, :1]
    before = coupling(x0, x1, cond)
    near = x1 + 1e-3 * torch.randn(64, 2, generator=gen)  # beside a partner so near no row would accept a fifth of all
    assert share(squared_euclidean(x1, near), torch.zeros(64, 64), 0.0) < 0.2
    assert coupling(near, x1, cond).x0.equal(near)
    assert coupling(x0, x1, cond).x0.equal(before.x0)
    assert not before.x0.equal(ExactOT(**TIGHT)(x0, x1).x0)


def test_few_distinct_vectors_are_solved_as_classes(gen):
    # more pairs of equal conditions than the ratio allows: no finite weight will do
    x0, x1, label = clouds(60, gen)
    corner = torch.eye(3).double()[label]
    assert ConditionalOT(ratio=0.05, **TIGHT)(x0, x1, corner).x0.equal(ConditionalOT(**TIGHT)(x0, x1, label).x0)


def test_the_source_of_a_class_is_the_whole_source(gen):
    # two data modes far apart with weights 0.3 and 0.7: plain transport gives the left one the lowest 30 % of N(0, 1),
    # of mean -phi(q) / 0.3 = -1.15898; within the classes it is N(0, 1)
    plain, aware, batches, rows = [], [], 60, 200
    for _ in range(batches):
        label = (torch.rand(rows, generator=gen) >= 0.3).long()
        x0 = torch.randn(rows, 1, generator=gen)
        x1 = 200.0 * label[:, None] - 100 + torch.randn(rows, 1, generator=gen)
        plain.append(ExactOT()(x0, x1, label).x0[label == 0].mean())
        aware.append(ConditionalOT()(x0, x1, label).x0[label == 0].mean())
    for found, exact in ((plain, -1.15898), (aware, 0.0)):
        values = torch.stack(found)
        # a batch's share of the left mode is not 0.3 exactly: curvature of phi(q(p)) / p times var(p) is below 0.004
        assert abs(values.mean() - exact) < 4 * values.std() / math.sqrt(batches) + (0.004 if exact else 0)


def test_published_skew(gen):
    # method sheet c2ot, mixture GMM-A, 256 rows: E[x0 | component 0] under plain and under conditional transport, and
    # their mean pair costs
    factor = torch.linalg.cholesky(torch.tensor([[0.5, 0.2], [0.2, 0.3]]))
    found = {ExactOT(): [], ConditionalOT(): []}
    for _ in range(40):
        label = (torch.rand(256, generator=gen) >= 0.3).long()
        noise = torch.randn(256, 2, generator=gen)
        left = torch.tensor([-2.0, 1.0]) + noise @ factor.T
        x1 = torch.where(label[:, None] == 0, left, torch.tensor([2.0, -0.5]) + 0.5 * noise)
        x0 = torch.randn(256, 2, generator=gen)
        for coupling, values in found.items():
            pairs = coupling(x0, x1, label)
            cost = (pairs.x0 - x1).square().sum(1).mean()
            values.append(torch.stack([*pairs.x0[label == 0].mean(0), cost]))
    for coupling, published in zip(found, ([-1.071, 0.465, 2.48], [0.0, 0.0, 5.01]), strict=True):
        values = torch.stack(found[coupling])
        # the sheet tells no error: at least as many batches are assumed
        error = values.std(0) * math.sqrt(2 / len(values))
        assert ((values.mean(0) - torch.tensor(published)).abs() < 4 * error + 5e-4).all()


def test_conditions_are_left_alone_and_may_be_zero(gen):
    x0, x1, _ = clouds(20, gen)
    cond = torch.randn(20, 4, generator=gen)
    cond[3] = 0.0
    before = cond.clone()
    pairs = ConditionalOT(ratio=0.2, condition_cost=CosineDistance())(x0, x1, cond)
    assert cond.equal(before)
    assert pairs.cond.equal(before)


def test_refuses_what_cannot_be(gen):
    with pytest.raises(InvalidInput, match="weight is -1"):
        ConditionalOT(weight=-1.0)
    with pytest.raises(InvalidInput, match=r"ratio is 0\.7"):
        ConditionalOT(ratio=0.7)
    with pytest.raises(InvalidInput, match="tolerance is 2"):
        ConditionalOT(tolerance=2.0)
    x0, x1, _ = clouds(10, gen)
    with pytest.raises(InvalidInput, match="NaN or infinity in cond"):
        ConditionalOT()(x0, x1, torch.full((10, 2), torch.nan))
