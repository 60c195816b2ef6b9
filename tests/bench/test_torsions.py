import math

import numpy as np
import pytest
import torch

from pushforward import Flow
from pushforward.bench import Job
from pushforward.bench.torsions import KERNELS, MIXTURE, OURS, UNIFORM, TorsionsSuite
from pushforward.spaces import Torus

SETTINGS = {"residues": ("his",), "components": 3}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small `$PUSHFORWARD_DATA`: two clusters of angles, 15 degrees wide."""
    (tmp_path / "manifold").mkdir()
    rng = np.random.default_rng(0)
    ends = np.array([[-60.0, -45, 180, 90], [-120.0, 130, -65, 80]])[rng.integers(0, 2, 1500)]
    angles = ((ends + 15 * rng.standard_normal((1500, 4)) + 180) % 360 - 180).astype(np.float32)
    split = np.repeat([0, 1, 2], [1000, 200, 300]).astype(np.int8)
    np.savez(tmp_path / "manifold" / "torsion_top8000.npz", his=angles, his_split=split)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    return tmp_path


def measure(suite, out):
    rows = [row for rows in suite.measure(Job((), out, lambda line: None)) for row in rows]
    return rows, {(row.method, row.metric): row.value for row in rows}


def test_densities_are_measured_and_drawn(folder):
    """The two clusters make the mixture's answer: 4 log(15 degrees sqrt(2 pi e)) + log 2, to its sampling error."""
    rows, found = measure(TorsionsSuite(steps=2, batch=8, grid=4, rows=200, **SETTINGS), folder)
    fits = {(m, k) for m in (MIXTURE, KERNELS) for k in ("nll", "seconds")}
    ours = {(OURS, k) for k in ("nll", "nll_half_the_steps", "seconds")}
    assert set(found) == fits | ours | {(UNIFORM, "nll")}
    assert all(row.case == "his, T^4, quick (2 steps, 200 rows)" for row in rows)
    assert {row.unit for row in rows} == {"nats", "s"}
    entropy = 4 * math.log(math.radians(15) * math.sqrt(2 * math.pi * math.e)) + math.log(2)
    # a row's log-density has a standard deviation of sqrt(4 / 2); 18 parameters lose 18 / (2 x 1000) nats
    assert abs(found[MIXTURE, "nll"] - entropy) < 5 * 2**0.5 / 200**0.5
    assert found[MIXTURE, "nll"] < found[KERNELS, "nll"] < found[UNIFORM, "nll"]
    assert (folder / "torsions_his.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.story
def test_a_flow_on_the_torus_learns_the_density(folder):
    """Within half a nat of the law's entropy, 1.4, from 7.4 of the uniform law; and the solver's error is small."""
    _, found = measure(TorsionsSuite(steps=400, batch=256, grid=16, rows=200, **SETTINGS), folder)
    assert found[OURS, "nll"] < found[MIXTURE, "nll"] + 0.5
    assert abs(found[OURS, "nll"] - found[OURS, "nll_half_the_steps"]) < 0.02


def test_the_recipe_trains_samples_and_tells_densities(folder):
    flow = Flow("torsions", training={"steps": 2, "batch_size": 8, "log_every": 1}).fit()
    x = flow.sample(5, steps=2)
    assert x.shape == (5, 4)
    torch.testing.assert_close(Torus().project(x), x)
    assert flow.log_prob(x, steps=2).isfinite().all()
