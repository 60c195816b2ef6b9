from pathlib import Path

import pytest
import torch

from pushforward.bench import Couplings, CouplingsEntropic, Job
from pushforward.bench.peers import present
from pushforward.core import InvalidInput

SMALL = CouplingsEntropic(
    (24,), (0.05,), sparse_size=20, sparse_strengths=(0.05,), points=200, directions=4, energy_points=50, repeats=2
)


def measure(*peers):
    return list(Couplings((SMALL,)).measure(Job(peers, Path("unused"), lambda line: None)))


def test_peers_reach_the_error_that_they_are_timed_for():
    peers = present(["pot", "geomloss"], lambda line: None)
    entropic, *_, sliced, energy = measure(*peers)
    errors = {(row.method, row.source): row.value for row in entropic if row.metric == "marginal_error"}
    assert {source for _, source in errors} == {"ours", "pot"}
    # POT's own rule is a Euclidean norm of one marginal
    assert all(value <= (1e-6 if source == "ours" else 1e-5) for (_, source), value in errors.items())
    for rows in (entropic, sliced, energy):
        times = {(row.method, row.source): row.value for row in rows if row.metric == "time"}
        ratios = {row.method: row.value for row in rows if row.metric == "speedup"}
        first, *others = times
        assert first[1] == "ours"
        assert ratios == {
            f"{first[0]} over {method} of {source}": pytest.approx(times[method, source] / times[first])
            for method, source in others
        }


def test_ours_alone():
    entropic, *sparse, sliced, energy = measure()
    assert {row.source for row in (*entropic, *sliced)} == {"ours"}
    assert {row.source for row in energy} == {"ours", "torch"}
    assert ["uniform random costs" in rows[0].case for rows in sparse] == [True, False]
    for rows in sparse:
        assert [row.metric for row in rows] == ["solved", "time", "solved", "time", "speedup"]
        assert rows[0].value == rows[2].value == 1.0
        assert rows[4].value == pytest.approx(rows[3].value / rows[1].value)


def test_a_method_that_fails_is_counted_and_not_timed(monkeypatch):
    def fail(*args, **kwargs):
        raise InvalidInput("too hard")

    monkeypatch.setattr("pushforward.bench.couplings_entropic.sinkhorn_newton_sparse", fail)
    job = Job((), Path("unused"), lambda line: None)
    rows = SMALL._sparse(job, "none", lambda n, seed: torch.rand(n, n), 0.05)
    assert [(row.method, row.metric) for row in rows] == [
        ("entropic_ot", "solved"),
        ("entropic_ot", "time"),
        ("sinkhorn_newton_sparse", "solved"),
    ]
    assert rows[2].value == 0.0
