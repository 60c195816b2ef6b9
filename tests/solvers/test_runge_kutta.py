import math

import pytest
import torch

from pushforward.core import InvalidInput, Step
from pushforward.solvers import RK4, Dopri5, Heun, Midpoint, Tableau, Tsit5
from pushforward.solvers.runge_kutta import interpolate
from pushforward.spaces import Euclidean

METHODS = [Midpoint, Heun, RK4, Dopri5, Tsit5]
PAIRS = [Dopri5, Tsit5]


def trees(order):
    """All rooted trees with `order` nodes, as tuples of their subtrees."""
    if order == 1:
        return {()}
    grown = set()
    for first in range(1, order):
        for rest in trees(order - first):
            grown |= {tuple(sorted((*rest, branch))) for branch in trees(first)}
    return grown


def nodes(tree):
    return 1 + sum(map(nodes, tree))


def density(tree):
    return nodes(tree) * math.prod(map(density, tree))


def weights(tree, a):
    phi = torch.ones(len(a), dtype=torch.float64)
    for branch in tree:
        phi = phi * (a @ weights(branch, a))
    return phi


def matrix(tableau):
    n = len(tableau.c)
    return torch.tensor([[*row, *[0.0] * (n - len(row))] for row in tableau.a], dtype=torch.float64)


def vector(row):
    return torch.tensor(row, dtype=torch.float64)


def misses(tableau, b, order, theta=1.0):
    """Greatest violation of Butcher's order conditions b(theta) . phi = theta^n / density, up to `order`."""
    a = matrix(tableau)
    return max(
        abs(float(b @ weights(tree, a)) - theta**n / density(tree)) for n in range(1, order + 1) for tree in trees(n)
    )


def test_there_are_as_many_trees_as_butcher_counts():
    assert [len(trees(n)) for n in range(1, 6)] == [1, 1, 2, 4, 9]


@pytest.mark.parametrize("method", METHODS)
def test_order_conditions_hold_up_to_the_order_and_no_further(method):
    tableau = method.tableau
    assert misses(tableau, vector(tableau.b), tableau.order) < 1e-13
    assert misses(tableau, vector(tableau.b), tableau.order + 1) > 1e-5


@pytest.mark.parametrize("method", PAIRS)
def test_the_embedded_method_is_one_order_lower(method):
    tableau = method.tableau
    embedded = vector(tableau.b) - vector(tableau.error)
    assert misses(tableau, embedded, tableau.order - 1) < 1e-12
    assert misses(tableau, embedded, tableau.order) > 1e-5


@pytest.mark.parametrize("method", PAIRS)
@pytest.mark.parametrize("theta", [0.1, 0.5, 0.83])
def test_dense_output_satisfies_the_order_conditions_of_order_four(method, theta):
    tableau = method.tableau
    stages = len(tableau.b)
    # one step of unit length whose slopes are the unit vectors: what comes out are the weights b(theta)
    slopes = tuple(row[None] for row in torch.eye(stages, dtype=torch.float64))
    step = Step(vector(tableau.b)[None], carry=slopes)
    one = torch.ones(1, dtype=torch.float64)
    b = interpolate(
        tableau,
        torch.zeros_like(step.x),
        step,
        h=one,
        rows=torch.zeros(1, dtype=torch.int64),
        theta=theta * one,
        space=Euclidean(),
    )[0]
    assert misses(tableau, b, 4, theta) < 1e-12


@pytest.mark.parametrize("method", PAIRS)
def test_dense_output_meets_both_ends_with_their_slopes(method):
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(1, 3, generator=generator, dtype=torch.float64)
    x, y, slopes, h = draw(), draw(), tuple(draw() for _ in range(7)), torch.tensor([-0.7], dtype=torch.float64)
    rows = torch.zeros(2, dtype=torch.int64)
    at = lambda theta: interpolate(
        method.tableau, x, Step(y, carry=slopes), h=h, rows=rows, theta=theta, space=Euclidean()
    )
    theta = torch.tensor([0.0, 1.0], dtype=torch.float64)
    value, change = torch.func.jvp(at, (theta,), (torch.ones_like(theta),))
    assert torch.equal(value, torch.cat([x, y]))
    torch.testing.assert_close(change, h * torch.cat([slopes[0], slopes[-1]]))


@pytest.mark.parametrize("method", METHODS)
def test_first_same_as_last_saves_an_evaluation(method):
    calls = []
    field = lambda x, t, cond: calls.append(t) or -x
    s, t, end, x = torch.zeros(2), torch.full((2,), 0.3), torch.ones(2), torch.ones(2, 1)
    step = method().step(field, x, s, t)
    first = len(calls)
    again = method().step(field, step.x, t, end, carry=step.carry)
    assert len(calls) - first == first - method.tableau.first_same_as_last
    assert torch.equal(again.x, method().step(field, step.x, t, end).x)
    assert method.tableau.first_same_as_last == (method in PAIRS) == (step.carry is not None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": ((), (0.9,))}, r"row a\[1\] sums to 0.9, not 1.0"),
        ({"a": ((), (0.5, 0.5))}, r"row a\[1\] has 2 entries, expected 1"),
        ({"a": ((),)}, "1 rows in a for 2 stages"),
        ({"b": (0.5, 0.6)}, "row b sums to 1.1"),
        ({"b": (1.0,)}, "row b has 1 entries, expected 2"),
        ({"error": (0.5, 0.5)}, "row error sums to 1.0, not 0.0"),
        ({"quartic": (1.0, -1.0, 0.0)}, "row quartic has 3 entries"),
    ],
)
def test_a_tableau_that_breaks_its_laws_is_refused(wrong, message):
    with pytest.raises(InvalidInput, match=message):
        Tableau(**({"c": (0.0, 1.0), "a": ((), (1.0,)), "b": (0.5, 0.5), "order": 2} | wrong))
