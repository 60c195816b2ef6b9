"""Graphs as one-hot vectors, and back."""

import numpy as np
import pytest
import torch

from pushforward.config import build, describe
from pushforward.core import InvalidInput
from pushforward.data import GraphSet, Loader, adjacency


def write(folder, name, sizes, **more):
    rng, edges, which = np.random.default_rng(0), [], []
    for k, n in enumerate(sizes):
        i, j = np.triu_indices(n, 1)
        kept = rng.random(len(i)) < 0.4
        edges.append(np.stack([i, j], 1)[kept])
        which.append(np.full(kept.sum(), k))
    (folder / "graph").mkdir(exist_ok=True)
    arrays = {"n_nodes": np.array(sizes), "edges": np.concatenate(edges), "edge_graph": np.concatenate(which)} | more
    np.savez(folder / "graph" / f"{name}.npz", **{k: v.astype(np.int16) for k, v in arrays.items()})
    return edges


def whole(data):
    parts = [part.take(99) for part in (data.train, data.test)]
    x = {k: torch.cat([x[k] for x, _ in parts]) for k in ("nodes", "edges")}
    return x, torch.cat([cond["real"] for _, cond in parts])


def test_graphs_come_back(tmp_path, monkeypatch):
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    sizes = [3, 6, 4, 5, 6]
    edges = write(tmp_path, "community_small", sizes)
    x, real = whole(GraphSet(test_fraction=0.4).load())
    assert x["edges"].shape == (5, 15, 2)
    there = real.sum(1)
    assert torch.equal(x["edges"].sum((1, 2)), there * (there - 1) / 2)  # padded pairs are zero vectors
    assert torch.equal(x["nodes"][..., 0], real)
    found = sorted((len(a), *a.triu(1).nonzero().flatten().tolist()) for a in adjacency(there.long(), x["edges"]))
    assert found == sorted((n, *e.flatten().tolist()) for n, e in zip(sizes, edges, strict=True))
    for a in adjacency(there.long(), 3 * x["edges"] - 1):
        assert torch.equal(a, a.T)


def test_protein_graphs_of_odd_sizes_are_left_out_and_labels_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    sizes = [12, 9, 126, 20]
    label = np.random.default_rng(1).integers(1, 4, sum(sizes))
    write(tmp_path, "enzymes", sizes, node_label=label)
    x, real = whole(GraphSet("enzymes", 0.5).load())
    assert x["nodes"].shape == (2, 125, 3)
    assert sorted(real.sum(1).tolist()) == [12, 20]
    first = int(real.sum(1).argmin())
    assert x["nodes"][first, :12].argmax(1).tolist() == (label[:12] - 1).tolist()
    assert (x["nodes"][first, 12:] == 0).all()


def test_it_is_written_and_read_back_and_says_what_is_wrong(tmp_path, monkeypatch):
    assert build(describe(GraphSet("enzymes", 0.1, 2)), Loader, "data") == GraphSet("enzymes", 0.1, 2)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    for make, match in (
        (lambda: GraphSet("enzyme"), "did you mean enzymes"),
        (lambda: GraphSet(test_fraction=0.0), "test_fraction is 0"),
        (GraphSet().load, r"community_small\.npz"),
    ):
        with pytest.raises(InvalidInput, match=match):
            make()
