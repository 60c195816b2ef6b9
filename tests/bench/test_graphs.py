"""Generated graphs beside random ones."""

from pathlib import Path

import numpy as np
import pytest

from pushforward.bench import Graphs, Job

FLOOR, NULL = "floor, graphs that were learned from", "random graphs of as many edges"


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
    wheels = [(0, i) for i in range(1, 7)] + [(i, i % 6 + 1) for i in range(1, 7)]  # planar, each of seven nodes
    arrays = {"n_nodes": np.full(20, 7), "edges": np.array(wheels * 20), "edge_graph": np.repeat(np.arange(20), 12)}
    np.savez(tmp_path / "graph" / "planar_64_200.npz", **arrays)
    suite = Graphs(steps=2, graphs=12, planar_steps=2, planar_graphs=6, follow=4)
    rows = [row for part in suite.measure(Job((), Path("unused"), lines.append)) for row in part]
    told = {"community graphs, quick (2 steps, 12 graphs)", "planar graphs, quick (2 steps, 6 graphs)"}
    assert {row.case for row in rows} == told
    plane = {(row.method, row.metric): row.value for row in rows if row.case.startswith("planar")}
    assert plane["held-out graphs", "planar"] == plane[FLOOR, "planar"] == 1
    assert 0 <= plane["CatFlow", "planar"] <= 1
    assert plane[FLOOR, "orbit_mmd"] < 1e-9 < plane[NULL, "orbit_mmd"]
    found = {(row.method, row.metric): row.value for row in rows if row.case.startswith("community")}
    assert found[FLOOR, "edges"] == 12
    for metric in ("degree_mmd", "clustering_mmd"):
        assert found[FLOOR, metric] < 0.1 * found[NULL, metric]
        assert found["CatFlow", metric] >= 0
    assert found[NULL, "edges"] == pytest.approx(12, rel=0.3)
