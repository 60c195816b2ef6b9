"""The suite of the earth on made events: what it measures is what it says."""

import math

import numpy as np
import pytest
import torch

from pushforward.bench import Job
from pushforward.bench.earth import KERNELS, OURS, Earth, _density
from pushforward.data import NeighbourKernels
from pushforward.spaces import Sphere


@pytest.fixture
def events(tmp_path, monkeypatch):
    """A hundred events about one place, where the loader looks for them."""
    place = np.array([[20.0, -50.0]]) + 5 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0)).numpy()
    folder = tmp_path / "data" / "manifold"
    folder.mkdir(parents=True)
    np.savez(folder / "earth_latlon.npz", **dict.fromkeys(("volcano", "earthquake", "flood", "fire"), place))
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path / "data"))


@pytest.mark.story
@pytest.mark.usefixtures("events")
def test_a_concentrated_law_scores_below_the_uniform_one(tmp_path):
    """Events spread by 5 degrees: about 1 + log(2 pi 0.087^2) = -2 nats; some updates come a good part of the way."""
    suite = Earth(events=("flood",), steps=150, solver_steps=30, seeds=(0,))
    published, ours = suite.measure(Job((), tmp_path, lambda line: None))
    assert {row.case for row in published} == {"flood"}
    found = {row.method: row.value for row in ours if row.metric == "negative_log_likelihood"}
    assert found.keys() == {OURS, KERNELS}
    assert all(value < math.log(4 * math.pi) - 1 for value in found.values())
    assert (tmp_path / "earth_flood.png").read_bytes()[:4] == b"\x89PNG"


def test_the_density_of_blurred_events_integrates_to_one():
    """Over 20,000 points of a Fibonacci lattice, whose error is far below 1e-3 for kernels as wide as these."""
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]])
    n = 20_000
    k = torch.arange(n, dtype=torch.float64)
    z, turn = 1 - (2 * k + 1) / n, math.pi * (1 + math.sqrt(5)) * k
    across = (1 - z * z).sqrt()
    lattice = torch.stack([across * turn.cos(), across * turn.sin(), z], 1)
    density = _density(NeighbourKernels(rows, Sphere(), neighbour=1, share=0.3), lattice).exp()
    assert abs(4 * math.pi * density.mean().item() - 1) < 1e-3
