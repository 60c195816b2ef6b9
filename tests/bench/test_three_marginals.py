import math

import pytest

from pushforward.bench import Job, ThreeMarginals
from pushforward.bench.three_marginals import FLOOR, ONE, PAIR, _net


def measure(suite, out):
    return [row for rows in suite.measure(Job((), out, lambda line: None)) for row in rows]


def test_every_direction_is_measured_and_drawn(tmp_path):
    rows = measure(ThreeMarginals(2, 50, (0,)), tmp_path)
    found = {(row.case.split(",")[0], row.method): row.value for row in rows if row.metric == "wasserstein"}
    assert len({case for case, _ in found}) == 6
    assert {method for _, method in found} == {ONE, PAIR, FLOOR}
    ratios = {row.case.split(",")[0]: row.value for row in rows if row.metric == "wasserstein_ratio"}
    for case, ratio in ratios.items():
        assert ratio == pytest.approx(found[case, ONE] / found[case, PAIR])
    assert all(math.isfinite(row.value) and "quick (2 steps" in row.case for row in rows if row.case != "training")
    assert (tmp_path / "three_marginals.png").read_bytes().startswith(b"\x89PNG")


def test_both_sides_have_the_same_hidden_layers():
    hidden = [[p.shape for p in _net(k, 0).rest[:-1].parameters()] for k in (1, 3)]
    assert hidden[0] == hidden[1]


@pytest.mark.story
def test_one_network_keeps_up_with_three(tmp_path):
    """A short budget; at the full one all ratios were at most 1.3, of three seeds."""
    rows = measure(ThreeMarginals(300, 400, (0,)), tmp_path)
    assert all(row.value < 1.5 for row in rows if row.metric == "wasserstein_ratio")
