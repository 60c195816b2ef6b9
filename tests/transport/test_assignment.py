import itertools
import math
import threading

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from pushforward.core import InvalidInput
from pushforward.transport import assignment, auction, squared_euclidean


def clouds(n, d, gen, shift=0.0, dtype=torch.float32):
    x = torch.randn(n, d, dtype=dtype, generator=gen)
    y = torch.randn(n, d, dtype=dtype, generator=gen)
    return squared_euclidean(x, y.sign() * 3 + 0.3 * y + shift)


def duplicates(n, gen):
    x = torch.randn(n, 2, generator=gen)
    return squared_euclidean(x[torch.randint(n // 16, (n,), generator=gen)], x[torch.randint(8, (n,), generator=gen)])


def forbidden(n, gen):
    """Pairs of different classes cost a million, with as many rows as columns of every class."""
    label = torch.arange(n) % 5
    other = label[torch.randperm(n, generator=gen)]
    return clouds(n, 2, gen) + 1e6 * (label[:, None] != other)


def permuted(n, gen):
    x = torch.randn(n, 5, generator=gen)
    return squared_euclidean(x, x[torch.randperm(n, generator=gen)])


COSTS = {
    "plane": lambda g: clouds(200, 2, g),
    "a multiple of the lanes": lambda g: clouds(128, 3, g),
    "more dimensions": lambda g: clouds(100, 100, g),
    "line": lambda g: clouds(100, 1, g),
    "float64": lambda g: clouds(90, 2, g, dtype=torch.float64),
    "half": lambda g: clouds(90, 2, g).bfloat16(),
    "far apart": lambda g: clouds(150, 2, g, shift=100.0),
    "offset": lambda g: clouds(60, 2, g, dtype=torch.float64) + 1e9,
    "tiny": lambda g: clouds(60, 2, g) * 1e-20,
    "huge": lambda g: clouds(60, 2, g, dtype=torch.float64) * 1e200,
    "negative": lambda g: -clouds(60, 2, g),
    "uniform numbers": lambda g: torch.rand(130, 130, generator=g),
    "heavy tails": lambda g: torch.rand(130, 130, generator=g).pow(-3),
    "small integers": lambda g: torch.randint(3, (100, 100), generator=g).float(),
    "duplicates": lambda g: duplicates(128, g),
    "permuted": lambda g: permuted(128, g),
    "forbidden pairs": lambda g: forbidden(100, g),
    "constant": lambda g: torch.full((70, 70), 3.0),
    "rows plus columns": lambda g: torch.randn(70, 1, generator=g) + torch.randn(70, generator=g),
    "two": lambda g: torch.tensor([[0.0, 1.0], [2.0, 5.0]]),
    "one": lambda g: torch.tensor([[7.0]]),
}


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
@pytest.mark.parametrize("name", COSTS)
def test_a_permutation_within_the_certified_gap(name, tolerance, gen):
    cost = COSTS[name](gen)
    n = len(cost)
    found = auction(cost, tolerance=tolerance)
    assert found.permutation.dtype == torch.int64
    assert found.permutation.sort().values.equal(torch.arange(n))
    exact = cost.double().numpy()
    rounding = 1e-15 * np.abs(exact).max() * n
    mean = exact[np.arange(n), found.permutation].mean()
    optimum = exact[linear_sum_assignment(exact)].mean()
    prices = found.prices.numpy()
    bound = (exact + prices).min(1).mean() - prices.mean()
    assert bound - rounding <= optimum <= mean + rounding  # weak duality: the prices prove a lower bound
    assert abs(mean - bound - found.gap) <= rounding
    assert found.gap <= found.target + rounding
    # the target is relative to the optimum above the first bound, or 1e-9 of the mean cost above it
    means = exact.mean(0)
    trivial = (exact - means).min(1).mean() + means.mean()
    scale = exact.mean() - trivial
    assert found.target <= max(tolerance * (mean - trivial), 1e-9 * scale) * (1 + 1e-5) + rounding


def test_a_line_is_sorted(gen):
    x, y = torch.randn(300, 1, generator=gen).double(), torch.randn(300, 1, generator=gen).double().exp()
    cost = squared_euclidean(x, y)
    best = (x.sort(0).values - y.sort(0).values).square().mean()
    tight = auction(cost, tolerance=1e-8)
    paired = (x - y[tight.permutation]).square().mean()
    assert best - 1e-12 <= paired <= best + tight.gap + 1e-12


def test_a_tighter_tolerance_is_kept(gen):
    cost = clouds(256, 2, gen)
    gaps = [auction(cost, tolerance=tolerance).gap for tolerance in (1e-1, 1e-3, 1e-5, 1e-7)]
    assert all(a > 20 * b for a, b in itertools.pairwise(gaps))


def test_what_a_row_or_column_pays_anyway_does_not_matter(gen):
    cost = clouds(100, 2, gen, dtype=torch.float64)
    extra = 50 * torch.randn(100, 1, dtype=torch.float64, generator=gen) + 50 * torch.randn(
        100, dtype=torch.float64, generator=gen
    )
    plain, moved = auction(cost), auction(cost + extra)
    rows = torch.arange(100)
    gain = cost[rows, plain.permutation].mean() - cost[rows, moved.permutation].mean()
    assert abs(gain) <= max(plain.gap, moved.gap)
    assert math.isclose(plain.target, moved.target, rel_tol=1e-3)


def test_permuting_rows_permutes_the_answer(gen):
    cost = clouds(80, 2, gen)
    order = torch.randperm(80, generator=gen)
    assert assignment(cost[order], tolerance=1e-8).equal(assignment(cost, tolerance=1e-8)[order])


def test_what_float32_cannot_tell_apart_is_solved_in_float64(gen):
    # unequal classes: some pairs are forbidden and needed, so that prices of a million hide differences of one
    cost = clouds(100, 2, gen, dtype=torch.float64)
    cost[:51, :50] += 1e7
    cost[51:, 50:] += 1e7
    found = auction(cost, tolerance=1e-8)
    matrix = cost.numpy()
    optimum = matrix[linear_sum_assignment(matrix)].mean()
    assert matrix[np.arange(100), found.permutation].mean() <= optimum + found.gap + 1e-9
    assert found.gap <= found.target


def test_inputs_are_left_alone_and_views_are_read_rightly(gen):
    cost = clouds(70, 2, gen).requires_grad_()
    before = cost.detach().clone()
    transposed = assignment(cost.T, tolerance=1e-8)
    assert cost.detach().equal(before)
    assert assignment(cost, tolerance=1e-8)[transposed].equal(torch.arange(70))


def test_runs_in_a_thread_without_the_lock(gen):
    costs = [clouds(64, 2, gen) for _ in range(4)]
    alone = [assignment(cost) for cost in costs]
    answers = [None] * 4

    def work(k):
        answers[k] = assignment(costs[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(a.equal(b) for a, b in zip(alone, answers, strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n", [1, 3, 100])
def test_refuses_what_is_not_finite(value, n):
    cost = torch.rand(n, n)
    cost[n // 2, n - 1] = value
    with pytest.raises(InvalidInput, match="not finite"):
        assignment(cost)


@pytest.mark.parametrize(
    ("shape", "match"), [((2, 3), r"square cost, got \["), ((0, 0), "rows and"), ((0, 1), "rows and")]
)
def test_refuses_what_is_not_square(shape, match):
    with pytest.raises(InvalidInput, match=match):
        assignment(torch.zeros(shape))


@pytest.mark.parametrize("tolerance", [0.0, 1e-12, 2.0, math.nan])
def test_refuses_a_tolerance_out_of_range(tolerance):
    with pytest.raises(InvalidInput, match="tolerance"):
        assignment(torch.zeros(2, 2), tolerance=tolerance)
