"""Adams methods: exact on polynomials of time at any steps, whoever started them; old slopes travel in the carry."""

import itertools
import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.solvers import RK4, AdamsBashforth, AdamsBashforthMoulton, EulerMaruyama, Heun, solve
from pushforward.solvers.adams_bashforth import GAUSS, MIDPOINT
from pushforward.solvers.multistep import weights

METHODS = {
    f"{kind.__name__}-{p}{'-pec' if pec else ''}": kind(p, **({"evaluate_again": False} if pec else {}))
    for kind, pec in ((AdamsBashforth, False), (AdamsBashforthMoulton, False), (AdamsBashforthMoulton, True))
    for p in (2, 3, 4)
}
every = pytest.mark.parametrize("solver", METHODS.values(), ids=METHODS)


def random_grid(steps, rows, seed=0):
    """Steps of very different lengths, other ones in every row."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.rand(steps, rows, generator=generator, dtype=torch.float64) + 0.05
    return torch.cat([torch.zeros(1, rows), (steps / steps.sum(0)).cumsum(0)]).double()


@every
@pytest.mark.parametrize("reverse", [False, True])
def test_exact_for_polynomials_of_time_on_any_grid(solver, reverse):
    times = random_grid(9, 5)
    times = times.flip(0) if reverse else times
    for k in range(solver.order):
        field = lambda x, t, cond: torch.ones_like(x) * (k + 1) * (t - 0.3)[:, None] ** k  # noqa: B023
        found = solve(field, torch.zeros(5, 1, dtype=torch.float64), times, solver=solver, save=True).xs[..., 0]
        assert (found - ((times - 0.3) ** (k + 1) - (times[0] - 0.3) ** (k + 1))).abs().max() < 1e-13


@every
def test_not_exact_for_the_next_power(solver):
    field = lambda x, t, cond: torch.ones_like(x) * t[:, None] ** solver.order
    times = random_grid(9, 5)
    x = solve(field, torch.zeros(5, 1, dtype=torch.float64), times, solver=solver).x
    assert (x[:, 0] - 1 / (solver.order + 1)).abs().min() > 1e-6


def test_weights_are_those_of_the_textbooks():
    nodes = [torch.tensor([-float(j)], dtype=torch.float64) for j in range(-1, 4)]
    bashforth = {2: (3, -1), 3: (23, -16, 5), 4: (55, -59, 37, -9)}
    moulton = {2: (1, 1), 3: (5, 8, -1), 4: (9, 19, -5, 1)}
    for p, over in ((2, 2), (3, 12), (4, 24)):
        for first, expected in ((1, bashforth[p]), (0, moulton[p])):
            found = weights(nodes[first : first + p], *GAUSS)
            assert [over * float(w) for w in found] == pytest.approx(expected, abs=1e-12)
    assert [2 * float(w) for w in weights(nodes[1:3], *MIDPOINT)] == pytest.approx((3, -1), abs=1e-12)


def test_nodes_that_do_not_count_lower_the_degree_of_their_row_alone():
    nan, inf = math.nan, math.inf
    nodes = torch.tensor(
        [[0, 0, 0, 0, 0.0, 1], [-1, -1, 0, 0, -1, 0], [-3, -3, -3, nan, -inf, -2], [-4, -3, -4, -4, nan, -2]],
        dtype=torch.float64,
    )
    found = torch.stack(weights(list(nodes), *GAUSS))
    for row, count in enumerate((4, 3, 3, 2, 2, 3)):
        exact = found[:, row]
        assert (exact != 0).sum() == count
        for k in range(count):
            values = nodes[:, row].nan_to_num(posinf=0.0, neginf=0.0) ** k
            assert float(exact @ values) == pytest.approx(1 / (k + 1), abs=1e-12)


@every
def test_order_on_unequal_steps(solver, starts):
    """Every step twice as long as the one before, or half as long: halving all of them keeps the shape of the grid."""
    A = torch.tensor([[-0.5, 2.0], [-1.0, 0.3]], dtype=torch.float64)
    exact = starts @ torch.matrix_exp(A).T
    errors = []
    for cells in (64, 128):
        ends = torch.linspace(0, 1, cells + 1, dtype=torch.float64)
        middle = ends[:-1] + torch.tensor([1 / 3, 2 / 3], dtype=torch.float64).repeat(cells // 2) / cells
        times = torch.cat([ends, middle]).sort().values
        errors.append((solve(lambda x, t, cond: x @ A.T, starts, times, solver=solver).x - exact).abs().max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(solver.order, abs=0.15)


@pytest.mark.parametrize("solver", [m for m in METHODS.values() if m.order == 3], ids=str)
def test_a_starter_of_one_order_less_is_enough(solver, starts):
    solver = type(solver)(**{**vars(solver), "starter": Heun()})
    coarse, fine = (
        (solve(lambda x, t, cond: x, starts, torch.linspace(0, 1, k + 1), solver=solver).x - starts * math.e)
        .abs()
        .max()
        for k in (64, 128)
    )
    assert math.log2(coarse / fine) == pytest.approx(3, abs=0.15)


@every
def test_a_row_that_stands_still_for_a_while_goes_on(solver, starts):
    """Repeated times at the start, in the middle and at the end, each in a row of its own."""
    times = torch.linspace(0, 1, 33, dtype=torch.float64)[:, None].repeat(1, 6)
    times[:4, 0], times[10:14, 1], times[-4:, 2] = 0.0, times[10, 1], 1.0
    field = lambda x, t, cond: torch.cos(3 * t)[:, None] - x
    found = solve(field, starts, times, solver=solver, save=True)
    still = times.diff(dim=0) == 0
    assert torch.equal(found.xs[1:][still], found.xs[:-1][still])
    plain = solve(field, starts[3:], times[:, 3:], solver=solver)
    assert torch.equal(found.x[3:], plain.x)
    exact = solve(field, starts, torch.linspace(0, 1, 101), solver=RK4())
    # the worst is one step of order 1 that makes up for four: h = 1/8, error h^2 / 2 times |x''| < 3 + 1 + 2.5
    assert (found.x - exact.x).abs().max() < 0.051
    assert (found.x - exact.x)[3:].abs().max() < 1e-3


@every
def test_a_step_changes_nothing_that_it_is_given(solver, starts):
    times = torch.linspace(0, 1, 8, dtype=torch.float64)[:, None].repeat(1, 6)
    field = lambda x, t, cond=None: torch.sin(x) - t[:, None]
    carry, x = None, starts
    for s, t in itertools.pairwise(times):
        first = solver.step(field, x, s, t, carry=carry)
        again = solver.step(field, x, s, t, carry=carry)
        assert torch.equal(first.x, again.x)
        x, carry = first.x, first.carry
    assert torch.equal(x, solve(field, starts, times, solver=solver).x)


@pytest.mark.parametrize("kind", [AdamsBashforth, AdamsBashforthMoulton])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": 1}, "has the orders 2, 3 and 4, got order=1"),
        ({"order": 5}, "got order=5"),
        ({"order": 4, "starter": Heun()}, "order 4 needs a starter of order 3 at least, got Heun of order 2; use RK4"),
        ({"starter": EulerMaruyama()}, "starter is EulerMaruyama, expected a one-step method with a tableau"),
    ],
)
def test_refuses(kind, wrong, message):
    with pytest.raises(InvalidInput, match=message):
        kind(**wrong)
