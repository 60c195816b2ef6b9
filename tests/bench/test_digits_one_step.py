import pytest

from pushforward.bench.digits_one_step import DigitsOneStep
from pushforward.bench.job import Job


@pytest.mark.story
def test_one_network_is_judged_at_every_number_of_calls(tmp_path):
    suite = DigitsOneStep(steps=30, calls=(1, 2), seeds=(0,))
    rows = [row for case in suite.measure(Job((), tmp_path, lambda line: None)) for row in case]
    found = {(row.method, row.metric): row.value for row in rows}
    assert {name for name, _ in found} == {"1 call", "2 calls", "flow, as its recipe says"}
    for name in ("1 call", "2 calls"):
        ratio = found[name, "wasserstein"] / found[name, "wasserstein_floor"]
        assert found[name, "wasserstein_over_floor"] == ratio
    assert found["1 call", "wasserstein"] != found["2 calls", "wasserstein"]
    assert (tmp_path / "digits_one_step_0.png").read_bytes()[:4] == b"\x89PNG"
