import pytest

from pushforward.bench.job import Job
from pushforward.bench.rectification import GAUSSIANS, MOONS, Rectification


@pytest.mark.story
def test_rounds_are_judged_and_costs_fall_to_the_optimum(tmp_path):
    suite = Rectification(steps=60, round_steps=20, pairs=400, points=100, rounds=1, seeds=(0,))
    rows = [row for case in suite.measure(Job((), tmp_path, lambda line: None)) for row in case]
    moons = {row.method for row in rows if row.case.startswith(MOONS)}
    assert moons == {"trained", "round 1", "distilled to one step"}
    costs = {(row.method, row.metric): row.value for row in rows if row.case.startswith(GAUSSIANS)}
    assert {name for name, _ in costs} == {
        "optimal",
        *(f"{name}, round {k}" for name in ("FlowMatching", "CRectifiedFlow") for k in (0, 1)),
    }
    # E |x - A x|^2 / 2 of the optimal map A is 0.3047 in closed form
    assert abs(costs["optimal", "cost"] - 0.3047) < 4 * costs["optimal", "cost_error"]
