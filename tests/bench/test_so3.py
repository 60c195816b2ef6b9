import math

from pushforward.bench import Job
from pushforward.bench.so3 import OURS, TRUTH, UNIFORM, SO3Suite


def test_densities_are_measured_against_both_volumes(tmp_path):
    suite = SO3Suite(steps=2, batch=8, points=3)
    rows = [row for rows in suite.measure(Job((), tmp_path, lambda line: None)) for row in rows]
    found = {(row.method, row.metric): row.value for row in rows}
    methods = (OURS, TRUTH, UNIFORM)
    expected = {(m, what) for m in methods for what in ("nll", "nll_haar")} | {(OURS, "above_truth"), (OURS, "seconds")}
    assert set(found) == expected
    assert all(math.isfinite(value) for value in found.values())
    for method in methods:
        assert abs(found[method, "nll"] - found[method, "nll_haar"] - math.log(8 * math.pi**2)) < 1e-9
    assert abs(found[OURS, "nll"] - found[TRUTH, "nll"] - found[OURS, "above_truth"]) < 1e-9
    assert all(row.case == "16 modes, quick (2 steps, 3 points)" for row in rows)
