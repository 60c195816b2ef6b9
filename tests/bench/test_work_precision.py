import math

import pytest
import torch

from pushforward.bench import Job, WorkPrecision
from pushforward.bench.work_precision import contestants, steps_for
from pushforward.paths import Affine
from pushforward.solvers import RK4, Dopri5, solve


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder, lines = tmp_path_factory.mktemp("bench"), []
    suite = WorkPrecision(rows=16, evaluations=(8, 32), reference=100)
    return list(suite.measure(Job((), folder, lines.append))), folder, lines


def test_every_case_and_method_is_measured(measured):
    cases, folder, lines = measured
    assert len(cases) == len(lines) == 6
    for rows in cases:
        assert {row.method for row in rows} == set(contestants(Affine()))
        assert all(math.isfinite(row.value) and "quick (16 rows)" in row.case for row in rows)
    assert (folder / "work_precision.png").read_bytes().startswith(b"\x89PNG")


def test_orders_show_where_steps_are_equal_in_time(measured):
    found = {(row.method, "8 ev" in row.case): row.value for row in measured[0][0]}
    assert found["Heun", False] < found["Heun", True] / 5  # a quarter of the step: order one would give 4
    assert found["Adams PEC 3", False] < found["Heun", False] < found["Euler", False]


@pytest.mark.parametrize("budget", [8, 33])
def test_budgets_are_used_up_and_not_overdrawn(budget):
    for solver in contestants(Affine()).values():
        steps = steps_for(solver, budget)
        if steps is None:
            continue
        used, more = (
            solve(lambda x, t, cond: x, torch.ones(1, 1), torch.linspace(0.1, 0.9, k + 1), solver=solver).nfe
            for k in (steps, steps + 1)
        )
        assert used <= budget < more
    assert steps_for(RK4(), 3) is None
    assert steps_for(Dopri5(controller=None), 7) == 1
