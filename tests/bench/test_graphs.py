"""Generated graphs beside random ones."""

from pathlib import Path

import numpy as np
import pytest

from pushforward.bench import Graphs, Job


@pytest.mark.story
def test_floor_null_and_what_was_learned_are_measured(tmp_path, monkeypatch):
    """Random graphs of as many edges differ from two cliques in clustering, and other cliques do not."""
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    lines = []
    assert not list(Graphs().measure(Job((), Path("unused"), lines.append)))
    assert "left out" in lines[-1]
    (tmp_path / "graph").mkdir()
    edges, which = [], []
    for k in range(20):
        for start in (0, 4 + k % 2):
            i, j = np.triu_indices(4, 1)
            edges.append(start + np.stack([i, j], 1))
            which.append(np.full(6, k))
    arrays = {"n_nodes": 8 + np.arange(20) % 2, "edges": np.concatenate(edges), "edge_graph": np.concatenate(which)}
    np.savez(tmp_path / "graph" / "community_small.npz", **arrays)
    suite = Graphs(steps=2, graphs=12, follow=4)
    rows = [row for part in suite.measure(Job((), Path("unused"), lines.append)) for row in part]
    found = {(row.method, row.metric): row.value for row in rows}
    floor, null = "floor, graphs that were learned from", "random graphs of as many edges"
    assert found[floor, "edges"] == 12
    for metric in ("degree_mmd", "clustering_mmd"):
        assert found[floor, metric] < 0.1 * found[null, metric]
        assert found["CatFlow", metric] >= 0
    assert found[null, "edges"] == pytest.approx(12, rel=0.3)
    assert all("quick" in row.case for row in rows)
