import math

import numpy as np
import pytest
import torch

from pushforward.bench import Job
from pushforward.bench.se3 import CLOCKS, FLOOR, NOISE, SOURCES, SE3Suite


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A file of random base-pair steps where the loader looks for them."""
    draw = torch.randn(400, 6, generator=torch.Generator().manual_seed(0)).numpy() * 0.2
    folder = tmp_path / "data" / "manifold"
    folder.mkdir(parents=True)
    step = np.zeros(400, dtype=np.int8)
    arrays = {"rna": draw, "dna": draw, "rna_step": step, "dna_step": step, "step_names": np.array(["AA"])}
    np.savez(folder / "se3_basepair_steps.npz", **arrays)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path / "data"))


@pytest.mark.usefixtures("steps")
def test_sources_and_clocks_are_measured_beside_the_floor(tmp_path):
    suite = SE3Suite(steps=2, batch=8, points=20)
    rows = [row for rows in suite.measure(Job((), tmp_path, lambda line: None)) for row in rows]
    found = {(row.method, row.metric): row.value for row in rows}
    ways = [NOISE, *(f"{source}, {clock}" for source in SOURCES for clock in CLOCKS)]
    expected = {(way, what) for way in ways for what in ("sliced_wasserstein", "times_floor")}
    assert set(found) == expected | {(FLOOR, "sliced_wasserstein")} | {(source, "seconds") for source in SOURCES}
    assert all(math.isfinite(value) for value in found.values())
    floor = found[FLOOR, "sliced_wasserstein"]
    for way in ways:
        assert abs(found[way, "sliced_wasserstein"] / floor - found[way, "times_floor"]) < 1e-6
    assert all(row.case == "base-pair steps, rna, quick (2 steps, 20 points)" for row in rows)
