"""Strings of one length a step, and molecules judged."""

import gzip
import math

import pytest
import torch

from pushforward.bench import Job, Molecules
from pushforward.bench.smiles import Framed, revealed
from pushforward.fields import Logits, NetField
from pushforward.paths import Mixture
from pushforward.solvers import Unmask
from pushforward.spaces import Tokens

CHAINS = ["C" * k + end for k in range(1, 9) for end in ("", "O", "N", "F")]


class Counting(torch.nn.Module):
    """Says nothing, and keeps how many masks it saw."""

    def __init__(self):
        super().__init__()
        self.masks = []

    def forward(self, x, t, cond=None):
        self.masks.append(int((x[0] == 3).sum()))
        return torch.zeros(*x.shape, 3)


def test_rows_of_a_step_have_one_length_as_often_as_it_occurs():
    """Three rows of two symbols and one of four: with 400 steps the share is 3/4 within three standard errors."""
    x = torch.tensor([[0, 1, 9, 9], [1, 1, 9, 9], [1, 0, 9, 9], [0, 0, 1, 1]])
    source = Framed(x, padding=9, mask=10)
    assert source.lengths.tolist() == [2, 2, 2, 4]
    short = 0
    for step in range(400):
        x0, x1 = source.pairs(step, 3, seed=0).anchors
        n = x1.shape[1] - 2
        short += n == 2
        assert (x1[:, [0, -1]] == 9).all()
        assert all(row in x[x[:, 2].eq(9) == (n == 2), :n].tolist() for row in x1[:, 1:-1].tolist())
        assert torch.equal(x0, source.start(3, n))
        assert (x0[:, 1:-1] == 10).all()
    assert short / 400 == pytest.approx(0.75, abs=3 * math.sqrt(0.75 * 0.25 / 400))
    assert torch.equal(source.pairs(7, 3, seed=0).anchors[1], source.pairs(7, 3, seed=0).anchors[1])


@pytest.mark.parametrize(("at_once", "left"), [(1, [5, 4, 3, 2, 1]), (2, [5, 3, 2])])
def test_so_many_symbols_are_shown_a_step(at_once, left):
    path, net = Mixture(Tokens(3, mask=True)), Counting()
    x = Framed(torch.zeros(1, 5, dtype=torch.int64), padding=2, mask=3).start(2, 5)
    made = revealed(NetField(net, Logits(), path), Unmask(path, math.inf), x, at_once, None)
    assert net.masks == left
    assert (made != 3).all()
    assert (made[:, [0, -1]] == 2).all()


@pytest.mark.story
def test_every_way_is_measured_beside_held_out_molecules(tmp_path, monkeypatch):
    pytest.importorskip("rdkit", reason="needs the extra molecules")
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    lines = []
    assert not list(Molecules().measure(Job((), tmp_path, lines.append)))
    assert "left out" in lines[-1]
    (tmp_path / "molecule").mkdir()
    table = "\n".join(
        ["smiles,split", *(f"{text},{'test' if k % 4 == 0 else 'train'}" for k, text in enumerate(CHAINS))]
    )
    (tmp_path / "molecule" / "moses_smiles_100k.csv.gz").write_bytes(gzip.compress(table.encode()))
    suite = Molecules(steps=2, batch=4, molecules=8)
    rows = [row for part in suite.measure(Job((), tmp_path, lines.append)) for row in part]
    found = {(row.method, row.metric): row.value for row in rows}
    held = "held-out molecules"
    assert [found[held, name] for name in ("validity", "uniqueness", "novelty")] == [1, 1, 1]
    assert found["training molecules", "novelty"] == 0
    assert found[held, "weight_distance"] == 0 < found["training molecules", "weight_distance"]
    ways = {row.method for row in rows if row.metric == "validity"} - {held, "training molecules"}
    assert len(ways) == 5
    assert all(0 <= found[way, "validity"] <= 1 for way in ways)
    assert all("quick" in row.case for row in rows)
