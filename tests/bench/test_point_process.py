"""Learned point processes beside known ones."""

from pathlib import Path

import pytest

from pushforward.bench import Job, PointProcess


@pytest.mark.story
def test_every_process_is_trained_and_judged(monkeypatch):
    """With hardly any training: known processes are ahead, and earthquakes are left out where there is no file."""
    monkeypatch.delenv("PUSHFORWARD_DATA", raising=False)
    lines = []
    cases = list(PointProcess(rows=20, steps=2, quake_steps=2).measure(Job((), Path("unused"), lines.append)))
    assert len(cases) == 3
    assert "left out" in lines[-1]
    for rows in cases:
        found = {(row.method, row.metric): row.value for row in rows}
        assert all("quick" in row.case for row in rows)
        assert found["Poisson", "excess_nats"] > 0.1
        for name in ("log-normal mixture", "sigmoidal flow"):
            assert found[name, "nats_per_event"] - found["truth", "nats_per_event"] == found[name, "excess_nats"]
            # what an untrained network cannot know is that events come in clusters
            assert found[name, "excess_nats"] > 0.1 or "renewal" in rows[0].case
