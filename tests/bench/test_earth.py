"""The suite of the earth on made events: what it measures is what it says."""

import math

import numpy as np
import pytest
import torch

from pushforward.bench import Job
from pushforward.bench.earth import OURS, Earth


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
    suite = Earth(events=("flood",), steps=150, solver_steps=10, seeds=(0,))
    published, ours = suite.measure(Job((), tmp_path, lambda line: None))
    assert {row.case for row in published} == {"flood"}
    found = {row.metric: row for row in ours}
    assert found["negative_log_likelihood"].method == OURS
    assert found["negative_log_likelihood"].value < math.log(4 * math.pi) - 1
    assert (tmp_path / "earth_flood.png").read_bytes()[:4] == b"\x89PNG"
