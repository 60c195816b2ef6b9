from pathlib import Path

import pytest
import torch

from pushforward.bench import Job, Outliers, outliers
from pushforward.bench.outliers import ENTRANTS, OUTLIER, SOURCE, TARGET, ContaminatedGaussians, cluster, shares
from pushforward.config import override, parse
from pushforward.core import Pairs
from pushforward.recipes import load


def measure(suite):
    lines = []
    return list(suite.measure(Job((), Path("unused"), lines.append))), lines


def test_partial_and_unbalanced_transport_beat_exact_transport():
    cases, lines = measure(Outliers(batches=8, steps=0, points=50, seeds=(0,)))
    found = {(row.method, row.metric): row.value for rows in cases for row in rows}
    assert len(lines) == len(ENTRANTS)
    assert {method for method, _ in found} == {"floor, independent draws", *ENTRANTS}
    cross = {method: found[method, "cross_cluster_share"] for method in ENTRANTS}
    stray = {method: found[method, "outlier_share"] for method in ENTRANTS}
    assert cross["PartialOT s=1.0"] == cross["ExactOT"]
    assert 0.7 < cross["Independent"] < 0.9  # seven eighths of nine tenths: 0.7875
    # 8 batches of 64: the standard error of a share is below 0.023
    assert cross["PartialOT s=0.6"] < cross["PartialOT s=0.8"] < cross["ExactOT"] / 2 < cross["Independent"] / 4
    assert cross["UnbalancedOT"] < cross["ExactOT"] / 2
    assert abs(stray["ExactOT"] - 0.1) < 0.06
    assert max(stray[name] for name in ("PartialOT s=0.6", "PartialOT s=0.8", "UnbalancedOT")) < 0.02
    assert all(row.suite == "outliers" and row.source == "ours" for rows in cases for row in rows)


@pytest.mark.story
def test_an_entrant_trains_and_is_judged(monkeypatch):
    monkeypatch.setattr(outliers, "ENTRANTS", {"PartialOT s=0.6": ENTRANTS["PartialOT s=0.6"]})
    cases, _ = measure(Outliers(batches=1, steps=2, points=50, seeds=(0,)))
    found = {row.metric: row.value for row in cases[1]}
    assert found.keys() == {"cross_cluster_share", "outlier_share", "wrong_cluster", "wasserstein"}
    assert 0 <= found["wrong_cluster"] <= 1
    assert found["wasserstein"] > cases[0][0].value  # the floor


def test_what_trains_is_what_is_measured():
    for coupling, written in ENTRANTS.values():
        assert parse(override(load("8gaussians_to_moons"), {"coupling": written})).coupling == coupling


def test_shares_count_by_weight():
    a, b = SOURCE.centres()[:2]
    x0 = torch.stack([a, a, b, b])
    x1 = torch.stack([2 * a, 2 * b, 2 * b, torch.tensor([40.0, 0.0])])
    assert shares(Pairs((x0, x1))) == (0.25, 0.25)
    assert shares(Pairs((x0, x1), weight=torch.tensor([1.0, 0.0, 1.0, 2.0]))) == (0.0, 0.5)


def test_clusters_are_told_apart():
    gen = torch.Generator().manual_seed(0)
    x, label = TARGET.sample_labelled(500, generator=gen)
    assert cluster(x, TARGET).equal(label)
    share = (cluster(ContaminatedGaussians().sample(4000, generator=gen), TARGET) == OUTLIER).double().mean()
    assert abs(share - 0.1) < 4 * (0.1 * 0.9 / 4000) ** 0.5
