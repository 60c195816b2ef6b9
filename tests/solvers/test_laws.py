"""What every solver keeps; a new one adds a line to the catalogue."""

import math

import pytest
import torch

from pushforward.core import Incompatible, Solver
from pushforward.paths import Affine
from pushforward.solvers import (
    DDIM,
    PI,
    RK4,
    AdamsBashforth,
    AdamsBashforthMoulton,
    Dopri5,
    DPMSolverPP,
    Euler,
    Heun,
    Midpoint,
    Tsit5,
    UniPC,
    solve,
)

FIXED = {  # solver, order, evaluations of k steps
    "euler": (Euler(), 1, lambda k: k),
    "midpoint": (Midpoint(), 2, lambda k: 2 * k),
    "heun": (Heun(), 2, lambda k: 2 * k),
    "rk4": (RK4(), 4, lambda k: 4 * k),
    "dopri5": (Dopri5(controller=None), 5, lambda k: 1 + 6 * k),
    "tsit5": (Tsit5(controller=None), 5, lambda k: 1 + 6 * k),
    # k evaluations, and those of a step of the starter less its own first, which are taken anyway
    "ab2": (AdamsBashforth(2), 2, lambda k: k + 1),
    "ab3": (AdamsBashforth(3), 3, lambda k: k + 2 * 3),
    "ab4": (AdamsBashforth(4), 4, lambda k: k + 3 * 3),
    "abm2-pece": (AdamsBashforthMoulton(2), 2, lambda k: 2 * k),
    "abm3-pece": (AdamsBashforthMoulton(3), 3, lambda k: 2 * k + 2 * 2),
    "abm4-pece": (AdamsBashforthMoulton(4), 4, lambda k: 2 * k + 3 * 2),
    # one more: the slope after the start, or at the end
    "abm2-pec": (AdamsBashforthMoulton(2, evaluate_again=False), 2, lambda k: k + 2),
    "abm3-pec": (AdamsBashforthMoulton(3, evaluate_again=False), 3, lambda k: k + 1 + 2 * 3),
    "abm4-pec": (AdamsBashforthMoulton(4, evaluate_again=False), 4, lambda k: k + 1 + 3 * 3),
}
# solvers in the coefficients of a path, which have no order on steps that are equal in t and start where alpha is 0
STRAIGHT = Affine()
ON_PATH = {
    "ddim": DDIM(STRAIGHT),
    "dpm-2m": DPMSolverPP(STRAIGHT),
    "dpm-3m": DPMSolverPP(STRAIGHT, 3, RK4()),
    "unipc-2": UniPC(STRAIGHT, 2, expm1=False),
    "unipc-3": UniPC(STRAIGHT, 3),
}
ADAMS = (AdamsBashforth, AdamsBashforthMoulton)
TOLERANCE = 1e-7
ADAPTIVE = {"dopri5-pi": Dopri5(TOLERANCE, TOLERANCE), "tsit5-pi": Tsit5(TOLERANCE, TOLERANCE)}
SOLVERS = {name: entry[0] for name, entry in FIXED.items()} | ADAPTIVE | ON_PATH

every = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
fixed = pytest.mark.parametrize(("solver", "order", "count"), FIXED.values(), ids=FIXED.keys())

A = torch.tensor([[-0.5, 2.0], [-1.0, 0.3]], dtype=torch.float64)


def linear(x, t, cond=None):
    return x @ A.T


def elementwise(x, t, cond=None):
    """A field without matrix products, whose rows need very different steps."""
    speed = t if cond is None else t * cond
    return torch.sin(3 * x) * speed.reshape(-1, *[1] * (x.ndim - 1)) + 0.3 * x * x.cos()


def grid(steps, start=0.0, stop=1.0):
    return torch.linspace(start, stop, steps + 1, dtype=torch.float64)


@every
def test_is_a_solver_and_a_frozen_value(solver):
    assert isinstance(solver, Solver)
    assert solver == type(solver)(**vars(solver))
    with pytest.raises(AttributeError):
        solver.space = None


@fixed
def test_order_on_a_linear_system(solver, order, count, starts):
    exact = starts @ torch.matrix_exp(A).T
    steps = (96, 192) if isinstance(solver, ADAMS) else (32, 64)  # their polynomial spans several steps
    coarse, fine = ((solve(linear, starts, grid(k), solver=solver).x - exact).abs().max() for k in steps)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)  # the ratio gives the order up to O(h)


@pytest.fixture(scope="module")
def halfway(mixture):
    """Three rows of the reference mixture at t = 0 and, by 100 steps of order five, at 1/8 and 1/2."""
    x = torch.tensor([[0.8, 0.2], [-1.4, 1.0], [0.1, -1.3]], dtype=torch.float64)
    reach = lambda stop: solve(mixture, x, grid(100, 0, stop), solver=Dopri5(controller=None)).x
    return x, {stop: reach(stop) for stop in (0.125, 0.5)}


@fixed
def test_order_on_the_exact_mixture_field(solver, order, count, mixture, halfway):
    x, exact = halfway
    steps, stop = ((64, 128), 0.125) if isinstance(solver, ADAMS) else ((12, 24), 0.5)
    coarse, fine = ((solve(mixture, x, grid(k, 0, stop), solver=solver).x - exact[stop]).abs().max() for k in steps)
    # the pairs' leading error constants are so small that the next order shows at these steps
    assert order - 0.1 < math.log2(coarse / fine) < order + (0.1 if order < 5 else 1.0)


@fixed
def test_counts_evaluations(solver, order, count, starts):
    seen = []
    solution = solve(lambda x, t, cond: seen.append(len(x)) or linear(x, t), starts, grid(5), solver=solver)
    assert solution.nfe == len(seen) == count(5)


@fixed
def test_exact_for_polynomials_of_time(solver, order, count):
    # a quadrature rule of order p integrates t^k exactly for k < p
    for k in range(order):
        field = lambda x, t, cond: torch.ones_like(x) * (k + 1) * t[:, None] ** k  # noqa: B023
        x = solve(field, torch.zeros(1, 1, dtype=torch.float64), grid(3, 0.5, 2.0), solver=solver).x
        assert x.item() == pytest.approx(2.0 ** (k + 1) - 0.5 ** (k + 1), abs=1e-12)


@every
def test_there_and_back(solver, starts):
    times = grid(20)
    there = solve(linear, starts, times, solver=solver).x
    back = solve(linear, there, times.flip(0), solver=solver).x
    error = (there - starts @ torch.matrix_exp(A).T).abs().max()
    # the way back errs as the way there, carried along by the inverse flow
    assert (back - starts).abs().max() <= 3 * torch.linalg.matrix_norm(torch.matrix_exp(-A), 2) * error + 1e-14


@pytest.mark.parametrize("solver", [s for s in SOLVERS.values() if s not in ON_PATH.values()], ids=str)
def test_backwards_is_the_mirrored_field_forwards(solver, starts):
    back = solve(elementwise, starts, grid(7).flip(0), solver=solver).x
    mirrored = lambda x, t, cond: -elementwise(x, 1 - t)
    torch.testing.assert_close(back, solve(mirrored, starts, grid(7), solver=solver).x, rtol=1e-7, atol=1e-7)


@every
@pytest.mark.parametrize(
    ("shape", "dtype"), [((1,), torch.float64), ((5,), torch.float32), ((3, 8, 8), torch.float32)], ids=str
)
def test_rows_do_not_see_each_other(solver, shape, dtype):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, *shape, generator=generator, dtype=dtype)
    cond, times = torch.logspace(-1, 1, 5, dtype=dtype), grid(4).to(dtype)
    solver = solver if solver not in ADAPTIVE.values() else type(solver)(1e-4, 1e-4)
    together = solve(elementwise, x, times, solver=solver, cond=cond, save=True)
    assert together.x.dtype == dtype
    for i in range(5):
        alone = solve(elementwise, x[i : i + 1], times, solver=solver, cond=cond[i : i + 1], save=True)
        assert torch.equal(alone.xs[:, 0], together.xs[:, i])
        assert torch.equal(alone.x[0], together.x[i])


@every
def test_a_mapping_is_its_leaves_side_by_side(solver):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    parts = {"a": x[:, :1].reshape(4), "b": x[:, 1:].reshape(4, 2, 1)}

    def field(state, t, cond=None):
        flat = torch.cat([state["a"][:, None], state["b"][:, :, 0]], 1)
        u = torch.sin(flat.roll(1, 1)) + t[:, None]
        return {"a": u[:, 0], "b": u[:, 1:, None]}

    whole = lambda x, t, cond: torch.sin(x.roll(1, 1)) + t[:, None]
    apart = solve(field, parts, grid(3), solver=solver, save=True)
    expected = solve(whole, x, grid(3), solver=solver, save=True)
    assert apart.nfe == expected.nfe
    assert torch.allclose(apart.xs["a"], expected.xs[..., 0], atol=1e-12)
    assert torch.allclose(apart.x["b"][..., 0], expected.x[:, 1:], atol=1e-12)


@every
def test_every_row_has_its_own_times(solver, starts):
    start = torch.tensor([0.0, 1.0, 0.2, 0.5, 0.9, 0.3], dtype=torch.float64)
    stop = torch.tensor([1.0, 0.0, 0.7, 0.5, 0.1, 0.4], dtype=torch.float64)  # both directions, and one row stays
    times = torch.lerp(start, stop, grid(6)[:, None])
    together = solve(elementwise, starts, times, solver=solver, save=True)
    for i in range(6):
        alone = solve(elementwise, starts[i : i + 1], times[:, i], solver=solver, save=True)
        assert torch.equal(together.xs[:, i], alone.xs[:, 0])
    assert torch.equal(together.x[3], starts[3])


@every
def test_saved_states_run_from_the_first_to_the_last(solver, starts):
    solution = solve(elementwise, starts, grid(5), solver=solver, save=True)
    assert solution.xs.shape == (6, 6, 2)
    assert torch.equal(solution.xs[0], starts)
    assert torch.equal(solution.xs[-1], solution.x)
    assert torch.equal(solution.x, solve(elementwise, starts, grid(5), solver=solver).x)
    assert torch.equal(solution.times, grid(5))


@every
def test_gradients_are_those_of_differences(solver, starts):
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    direction = torch.cos(torch.arange(12.0, dtype=torch.float64)).reshape(6, 2)

    def arrive(x, scale):
        return (solve(lambda x, t, cond: scale * elementwise(x, t), x, grid(4), solver=solver).x * direction).sum()

    x = starts.clone().requires_grad_()
    dx, dscale = torch.autograd.grad(arrive(x, scale), (x, scale))
    eps = 1e-5
    with torch.no_grad():
        along = (arrive(x + eps * direction, scale) - arrive(x - eps * direction, scale)) / (2 * eps)
        steeper = (arrive(x, scale + eps) - arrive(x, scale - eps)) / (2 * eps)
    # central differences err by eps^2; adaptive ones also move the step sizes, which moves x by less than the tolerance
    slack = 1e-8 if solver not in ADAPTIVE.values() else 1e-5
    assert (dx * direction).sum().item() == pytest.approx(along.item(), rel=slack, abs=slack)
    assert dscale.item() == pytest.approx(steeper.item(), rel=slack, abs=slack)


@pytest.mark.parametrize("kind", [Midpoint, Heun, RK4, Dopri5, Tsit5, AdamsBashforth, AdamsBashforthMoulton])
def test_orders_above_one_refuse_curved_spaces(kind):
    class Wheel:
        def move(self, x, u, dt, *, generator=None):
            return x

        def noise(self, like, *, generator=None):
            return like

    with pytest.raises(Incompatible, match=rf"{kind.__name__} adds motions .*Wheel.*use .*Euler"):
        kind(space=Wheel())
    assert Euler(Wheel()).space


@pytest.mark.parametrize("kind", [Dopri5, Tsit5])
@pytest.mark.parametrize("wrong", [{"relative_tolerance": -1e-3}, {"absolute_tolerance": 0.0}], ids=str)
def test_pairs_refuse_tolerances_out_of_range(kind, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kind(**wrong)
    assert kind(controller=PI(safety=0.8)).controller.safety == 0.8


@every
@pytest.mark.parametrize("save", [False, True])
def test_no_rows_arrive_at_once(solver, save):
    solution = solve(elementwise, torch.ones(0, 2), [0.0, 0.5, 1.0], solver=solver, cond=torch.ones(0), save=save)
    assert solution.x.shape == (0, 2)
    assert solution.xs is None or solution.xs.shape == (3, 0, 2)
