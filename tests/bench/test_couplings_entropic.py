from pathlib import Path

import pytest

from pushforward.bench import Couplings, CouplingsEntropic, Job
from pushforward.bench.peers import present

SMALL = CouplingsEntropic(sizes=(24,), strengths=(0.05,), points=200, directions=4, energy_points=50, repeats=2)


def measure(*peers):
    return list(Couplings((SMALL,)).measure(Job(peers, Path("unused"), lambda line: None)))


def test_peers_reach_the_error_that_they_are_timed_for():
    peers = present(["pot", "geomloss"], lambda line: None)
    entropic, sliced, energy = measure(*peers)
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
    entropic, sliced, energy = measure()
    assert {row.source for row in (*entropic, *sliced)} == {"ours"}
    assert {row.source for row in energy} == {"ours", "torch"}
