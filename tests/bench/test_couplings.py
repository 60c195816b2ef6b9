from pathlib import Path

import pytest
import torch

from pushforward.bench import Couplings, ExactCouplings, ExactWasserstein, Job, exact_wasserstein
from pushforward.bench.couplings_exact import clouds
from pushforward.bench.peers import present

SMALL = ExactCouplings(sizes=(16, 40), dimensions=(2, 9), repeats=2)


def measure(group, *peers):
    lines = []
    before = torch.get_num_threads()
    cases = list(Couplings((group,)).measure(Job(peers, Path("unused"), lines.append)))
    assert torch.get_num_threads() == before
    return cases, lines


def test_groups_follow_each_other():
    class Group:
        def measure(self, job):
            yield []

    cases = list(Couplings((Group(), Group())).measure(Job((), Path("unused"), lambda line: None)))
    assert cases == [[], []]


def test_exact_ours_alone():
    cases, lines = measure(SMALL)
    assert [row.case for rows in cases for row in rows[:1]] == [
        f"exact, n {n}, d {d}, 1 thread, 2 batches" for d in (2, 9) for n in (16, 40)
    ]
    for rows in cases:
        assert [(row.method, row.metric, row.unit, row.source) for row in rows] == [
            ("ExactOT", "time", "ms", "ours"),
            ("ExactOT", "relative_gap", "", "ours"),
        ]
        assert rows[0].value > 0
        assert rows[1].value <= 1e-6
    assert len(lines) == 3 * len(cases)


def test_exact_ratios_are_those_of_the_times():
    peers = present(["pot", "scipy", "torchcfm"], lambda line: None)
    cases, _ = measure(SMALL, *peers)
    methods = {"pot": "emd", "scipy": "linear_sum_assignment", "torchcfm": "OTPlanSampler"}
    for rows in cases:
        times = {row.source: row.value for row in rows if row.metric == "time"}
        ratios = {row.method: row.value for row in rows if row.metric == "speedup"}
        assert set(times) == {"ours", *peers}
        assert ratios == {
            f"ExactOT over {methods[peer]} of {peer}": pytest.approx(times[peer] / times["ours"]) for peer in peers
        }


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.story)])
def test_wasserstein_has_the_value_of_the_simplex(alone, monkeypatch):
    if not alone:
        monkeypatch.setattr(exact_wasserstein, "_alone", exact_wasserstein._turn)
    (rows,), _ = measure(ExactWasserstein(points=700, repeats=1), "pot")
    found = {(row.source, row.method, row.metric): row.value for row in rows}
    name = "wasserstein over emd2 of pot"
    assert found["ours", name, "difference"] < 1e-8
    for metric, ratio in (("time", "speedup"), ("peak_memory", "memory_ratio")):
        quotient = found["pot", "emd2", metric] / found["ours", "wasserstein", metric]
        assert found["ours", name, ratio] == pytest.approx(quotient)


def test_peers_go_by_the_names_that_people_know():
    assert present(["pot", "scipy"], print) == ("pot", "scipy")


def test_points_depend_on_the_seed_alone():
    for d in (2, 784):
        (x, y), (x2, y2), (x3, _) = clouds(9, d, 0), clouds(9, d, 0), clouds(9, d, 1)
        assert x.shape == y.shape == (9, d)
        assert x.equal(x2)
        assert y.equal(y2)
        assert not x.equal(x3)
