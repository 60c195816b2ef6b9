"""The law of the path, its consistency under refinement, and the strong order of the solvers on it."""

import itertools
import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.fields import FlowSDE
from pushforward.solvers import SRA1, Brownian, BrownianPath, EulerMaruyama, StochasticHeun, solve


def times(n, *values):
    return [torch.full((n,), float(t), dtype=torch.float64) for t in values]


def zeros(*shape, dtype=torch.float64):
    return torch.zeros(*shape, dtype=dtype)


def joined(first, second, h1, h2):
    """(W, H) over two neighbouring intervals from those of each, by the definition of H as an integral."""
    h, change = h1 + h2, first.change + second.change
    integral = h1 * (first.area + 0.5 * first.change) + h2 * (first.change + second.area + 0.5 * second.change)
    return change, integral / h - 0.5 * change


@pytest.mark.parametrize("middle", [0.5, 0.375, 0.3, 0.123456])
def test_halves_add_up(middle):
    path, x = BrownianPath(3), zeros(50, 2)
    s, m, t = times(50, 0.1, middle, 0.8)
    change, area = joined(path.increment(x, s, m), path.increment(x, m, t), middle - 0.1, 0.8 - middle)
    whole = path.increment(x, s, t)
    torch.testing.assert_close(change, whole.change, rtol=0, atol=1e-13)
    torch.testing.assert_close(area, whole.area, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("s", "t"), [(0, 1), (0, 0.25), (0.375, 0.5), (0.3, 0.7), (0.001, 0.0135), (0.9, 0.2)])
def test_the_law_of_an_increment(s, t):
    n = 20_000
    found = BrownianPath(1, depth=14).increment(zeros(n, 2), *times(n, s, t))
    h = abs(t - s)
    rows = torch.cat([found.change / h**0.5, found.area / (h / 12) ** 0.5], 1)  # four independent standard normals
    covariance, spread = torch.cov(rows.T), (1 + torch.eye(4).double()).sqrt() / n**0.5
    short = 2**-14 / 8 / h  # what the parabola at the leaves may lack
    assert (rows.mean(0).abs() < 4 / n**0.5).all()
    assert ((covariance - torch.eye(4).double()).abs() < 4.5 * spread + 12 * short).all()
    assert ((rows**4).mean(0) - 3).abs().max() < 4.5 * (96 / n) ** 0.5 + 72 * short  # 96 is the variance of z^4


def test_neighbouring_increments_are_independent():
    n = 20_000
    path, x = BrownianPath(2, depth=12), zeros(n, 1)
    at = times(n, *(k / 8 for k in range(9)))
    parts = [path.increment(x, s, t) for s, t in itertools.pairwise(at)]
    rows = torch.cat([part.change * 8**0.5 for part in parts] + [part.area * 96**0.5 for part in parts], 1)
    covariance, spread = torch.cov(rows.T), (1 + torch.eye(16).double()).sqrt() / n**0.5
    assert ((covariance - torch.eye(16).double()).abs() < 4.5 * spread).all()  # 136 entries


def test_backwards_is_the_same_path():
    path, x = BrownianPath(5), zeros(7, 3)
    s, t = times(7, 0.2, 0.55)
    there, back = path.increment(x, s, t), path.increment(x, t, s)
    assert torch.equal(back.change, -there.change)
    torch.testing.assert_close(back.area, there.area, rtol=0, atol=1e-15)
    still = path.increment(x, s, s)
    assert not still.change.any()
    assert not still.area.any()


def test_rows_have_their_own_times_and_do_not_see_each_other():
    path, x = BrownianPath(5), zeros(4, 2)
    s, t = torch.tensor([0.0, 0.1, 0.9, 0.5]).double(), torch.tensor([1.0, 0.2, 0.3, 0.5]).double()
    whole = path.increment(x, s, t)
    for i in range(4):
        same = path.increment(x, s[i].repeat(4), t[i].repeat(4))
        assert torch.equal(same.change[i], whole.change[i])
        assert torch.equal(same.area[i], whole.area[i])
    assert torch.equal(path.increment(x[:2], s[:2], t[:2]).change, whole.change[:2])
    assert len(whole.change.flatten()[:6].unique()) == 6


def test_the_seed_tells_paths_apart():
    x, (s, t) = zeros(5, 2), times(5, 0, 1)
    first = BrownianPath(0).increment(x, s, t).change
    assert torch.equal(first, BrownianPath(0).increment(x, s, t).change)
    assert not (first == BrownianPath(1).increment(x, s, t).change).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_state_gives_the_dtype(dtype):
    x = {"a": zeros(5, dtype=dtype), "b": zeros(5, 2, 3, dtype=dtype)}
    found = BrownianPath(0).increment(x, *(t.float() for t in times(5, 0.25, 0.75)))
    exact = BrownianPath(0).increment({name: leaf.double() for name, leaf in x.items()}, *times(5, 0.25, 0.75))
    for part, full in zip(found, exact, strict=True):
        for name, leaf in x.items():
            assert part[name].dtype == dtype
            assert part[name].shape == leaf.shape
            assert torch.equal(part[name], full[name].to(dtype))
    assert not (exact.change["a"][:, None] == exact.change["b"][:, 0]).any()


def test_outside_of_its_times_it_is_not_a_number():
    s, t = torch.tensor([-0.1, 0.0, 0.0]).double(), torch.tensor([0.5, 1.1, 1.0]).double()
    found = BrownianPath(0).increment(zeros(3, 1), s, t).change
    assert found[:, 0].isnan().tolist() == [True, True, False]
    wide = BrownianPath(0, start=-1.0, stop=3.0).increment(zeros(3, 1), s, t)
    assert wide.change.isfinite().all()


@pytest.mark.parametrize("wrong", [{"start": 1.0}, {"stop": math.inf}, {"depth": 0}, {"depth": 41}], ids=str)
def test_refuses_arguments_out_of_range(wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        BrownianPath(**wrong)
    assert isinstance(BrownianPath(), Brownian)


def pull(x, t, cond=None):
    return torch.sin(2 * x + t[:, None])


ORDERS = {"euler-maruyama": (EulerMaruyama, 1.0), "heun": (StochasticHeun, 1.0), "sra1": (SRA1, 1.5)}


@pytest.fixture(scope="module", params=[False, True], ids=["forwards", "backwards"])
def paths(request):
    """Where 400 rows are after steps of any number and kind, all on the same paths, and after very fine ones."""
    sde = FlowSDE(pull, lambda t: 0.3 + 0.4 * t, lambda x, t, cond: -x)
    x = torch.linspace(-2, 2, 400, dtype=torch.float64)[:, None]

    def arrive(steps, kind):
        grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        return solve(sde, x, grid.flip(0) if request.param else grid, solver=kind(BrownianPath(7, depth=8))).x

    return arrive, arrive(256, SRA1)


@pytest.mark.parametrize(("kind", "order"), ORDERS.values(), ids=ORDERS)
def test_strong_order_on_refined_paths(kind, order, paths):
    """Root mean square distance to the answer of steps four times as fine on the same paths."""
    arrive, exact = paths
    errors = [(arrive(k, kind) - exact).square().mean().sqrt() for k in (16, 64)]
    slope = math.log(errors[0] / errors[1], 4)
    # 2 / sqrt(2 n) of Monte-Carlo error in the ratio is 0.05 in the slope; errors of the next half order add to it
    assert order - 0.1 < slope < order + 0.5


LOCAL = {"euler-maruyama": (EulerMaruyama, 1.5), "heun": (StochasticHeun, 1.5), "sra1": (SRA1, 2.0)}


@pytest.mark.parametrize(("kind", "order"), LOCAL.values(), ids=LOCAL)
def test_strong_order_of_one_step(kind, order):
    """Root mean square error of one step, 1/2 above the order of many (Milstein), against 32 steps on the same path."""
    n, errors = 4000, []
    sde = FlowSDE(pull, lambda t: 2 + t, lambda x, t, cond: -x)
    x = torch.linspace(-2, 2, n, dtype=torch.float64)[:, None]
    for h in (1e-3, 1e-3 / 16):
        path, grid = BrownianPath(8, stop=h, depth=5), torch.linspace(0, h, 33, dtype=torch.float64)
        one, many = (
            solve(sde, x, times, solver=solver(path)).x for times, solver in ((grid[::32], kind), (grid, SRA1))
        )
        errors.append((one - many).square().mean().sqrt())
    # the ratio has a Monte-Carlo error of 2 / sqrt(n) = 0.03, or 0.01 in the slope, and the next half order is
    # sqrt(h) = 0.03 below times constants of the equation, derivatives of the drift up to 8
    assert math.log(errors[0] / errors[1], 16) == pytest.approx(order, abs=0.05)


def test_half_the_step_refines_the_same_path():
    path, x, steps = BrownianPath(9), zeros(6, 2, dtype=torch.float32), torch.linspace(0, 1, 9)
    still = FlowSDE(lambda x, t, cond: 0 * x, 0.5, lambda x, t, cond: 0 * x)
    for kind in (EulerMaruyama, StochasticHeun, SRA1):
        coarse, fine = (solve(still, x, grid, solver=kind(path), save=True).xs for grid in (steps[::2], steps))
        torch.testing.assert_close(coarse, fine[::2], rtol=0, atol=1e-6)  # eight sums in float32
