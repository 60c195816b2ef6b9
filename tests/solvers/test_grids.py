"""Grids: what is equal along them, on every path; their ends; and that measured ones share the error evenly."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.paths import (
    Affine,
    CondOT,
    Cosine,
    EncodingDecoding,
    LinearVP,
    Polynomial,
    SineSquared,
    VarianceExploding,
    VariancePreserving,
)
from pushforward.solvers import RK4, EulerMaruyama, Heun, grids, solve

SCHEDULES = [CondOT(), CondOT(0.01), Cosine(), LinearVP(), Polynomial(2.0), VarianceExploding(), VariancePreserving()]
PATHS = [Affine(schedule) for schedule in SCHEDULES]
GRIDS = [grids.Uniform(), grids.LogSNR(), grids.EDM(), grids.Placed((0.0, 0.1, 0.7, 1.0))]
on_paths = pytest.mark.parametrize("path", PATHS, ids=[repr(s) for s in SCHEDULES])


def log_snr(path, t):
    c = path.coeffs(t)
    return (c.alpha / c.sigma).log()


@on_paths
@pytest.mark.parametrize("grid", GRIDS, ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_gives_rising_times_from_end_to_end(grid, path, steps):
    assert isinstance(grid, grids.Grid)
    times = grid(steps, path=path)
    assert times.shape == (steps + 1,)
    assert times.dtype == torch.float64
    assert (times[0], times[-1]) == (0.0, 1.0)
    assert (times.diff() > 0).all()
    assert torch.equal(times, grid(steps, path=path))


@on_paths
@pytest.mark.parametrize("grid", [grids.Uniform(), grids.LogSNR(), grids.EDM()], ids=repr)
def test_gives_times_of_a_span(grid, path):
    times = grid(5, span=(0.2, 0.9), path=path)
    assert (times[0], times[-1]) == (0.2, 0.9)
    assert (times.diff() > 0).all()


@on_paths
def test_log_snr_steps_are_equal(path):
    inside = grids.LogSNR()(8, span=(0.1, 0.9), path=path)
    ratios = log_snr(path, inside)
    torch.testing.assert_close(ratios.diff(), ((ratios[-1] - ratios[0]) / 8).expand(8), rtol=1e-9, atol=1e-9)
    whole = log_snr(path, grids.LogSNR()(8, path=path))[1:-1]  # the ends may be infinite
    torch.testing.assert_close(whole.diff(), whole.diff()[:1].expand(6), rtol=1e-9, atol=1e-9)


def test_edm_levels_are_those_of_the_paper():
    """On the straight path sigma / alpha = (1 - t) / t, so t = 1 / (1 + level)."""
    steps, rho = 18, 7.0
    i = torch.arange(steps, dtype=torch.float64)
    levels = (80 ** (1 / rho) + i / (steps - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho
    times = grids.EDM()(steps, path=Affine())
    torch.testing.assert_close(times[1:-1], 1 / (1 + levels[1:]), rtol=1e-12, atol=1e-12)
    exploding = Affine(VarianceExploding(0.001, 90.0))
    own = grids.EDM()(steps, path=exploding)
    torch.testing.assert_close(exploding.coeffs(own[1:-1]).sigma, levels[1:], rtol=1e-9, atol=1e-9)


def test_edm_is_cut_to_the_levels_of_the_path():
    path = Affine(VarianceExploding(0.05, 3.0))
    levels = path.coeffs(grids.EDM()(6, path=path)).sigma
    assert levels[0] == pytest.approx(3.0)
    assert levels[-1] == pytest.approx(0.05)
    assert (levels.diff() < 0).all()


@pytest.mark.parametrize("grid", [grids.LogSNR(), grids.EDM()], ids=repr)
def test_refuses_paths_without_a_rising_ratio(grid):
    name = type(grid).__name__
    with pytest.raises(Incompatible, match=rf"grid {name} asks an affine path .* got none; use grids.Uniform"):
        grid(4)
    with pytest.raises(Incompatible, match=rf"grid {name} needs alpha / sigma to rise .* EncodingDecoding"):
        grid(4, path=Affine(EncodingDecoding(), latent=SineSquared()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: grids.LogSNR(margin=0.0), "margin is 0.0"),
        (lambda: grids.EDM(rho=0), "rho is 0"),
        (lambda: grids.EDM(smallest=2.0, largest=1.0), "levels from 1.0 to 2.0"),
        (lambda: grids.EDM(largest=0.01)(3, path=Affine(CondOT(0.05))), "from 0.01 to 0.002, the path .* to 0.05 over"),
        (lambda: grids.Placed((0.0,)), "at least two numbers that rise"),
        (lambda: grids.Placed((0.0, 0.5, 0.5)), "at least two numbers that rise"),
        (lambda: grids.Placed((0.0, 1.0))(3, span=(0.0, 0.9)), "placed from 0 to 1 and is asked for 0 to 0.9"),
        (lambda: grids.by_error(lambda x, t, cond: x, torch.ones(1, 1), cells=1), "cells=1"),
        (lambda: grids.by_error(lambda x, t, cond: x, torch.ones(1, 1), solver=EulerMaruyama()), "tableau"),
        (lambda: grids.by_error(lambda x, t, cond: x / 0, torch.ones(1, 1)), "error is not finite"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize(("solver", "order"), [(Heun(), 2), (RK4(), 4)], ids=["heun", "rk4"])
@pytest.mark.parametrize("power", [6, 9])
def test_measured_steps_follow_the_power_of_the_error(solver, order, power):
    """v = t^k has local error C h^(p+1) with C ~ t^(k-p): then u = t^m, m = (k - p) / (p + 1) + 1."""
    field = lambda x, t, cond=None: t[:, None] ** power
    times = grids.by_error(field, torch.zeros(1, 1, dtype=torch.float64), solver=solver, cells=128)(16)
    exponent = (power - order) / (order + 1) + 1
    u = torch.linspace(0, 1, 17, dtype=torch.float64)
    # where the error is least the density is held up; a cell is 1/128 long
    torch.testing.assert_close(times[4:], u[4:] ** (1 / exponent), rtol=0, atol=0.02)


def test_measured_steps_share_the_error_evenly_and_lower_it(mixture, starts):
    measured = grids.by_error(mixture, starts)
    worst, total = {}, {}
    exact = solve(mixture, starts, torch.linspace(0, 1, 201, dtype=torch.float64), solver=RK4()).x
    for name, times in {"measured": measured(16), "uniform": grids.Uniform()(16)}.items():
        xs = solve(mixture, starts, times, solver=RK4(), save=True).xs
        legs = zip(xs, times, times[1:], strict=False)
        once = [Heun().step(mixture, x, s.repeat(6), t.repeat(6)).x for x, s, t in legs]
        local = torch.stack([(a - b).square().mean().sqrt() for a, b in zip(once, xs[1:], strict=True)])
        worst[name] = float(local.max() / local.mean())
        total[name] = float((solve(mixture, starts, times, solver=Heun()).x - exact).square().mean().sqrt())
    assert worst["measured"] < 1.5 < worst["uniform"]
    assert total["measured"] < total["uniform"]


def test_a_measured_grid_is_a_value():
    measured = grids.by_error(lambda x, t, cond: t[:, None] ** 3, torch.zeros(1, 1), cells=8)
    assert measured == grids.Placed(measured.times)
    assert len(measured.times) == 9
    still = grids.by_error(lambda x, t, cond: 0 * x, torch.zeros(1, 1), cells=4)  # no error anywhere
    torch.testing.assert_close(still(4), grids.Uniform()(4))
