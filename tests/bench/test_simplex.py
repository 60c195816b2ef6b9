from pathlib import Path

import pytest
import torch

from pushforward.bench import Job
from pushforward.bench.simplex import Simplex, empirical_kl, entrants


def test_every_method_is_told_beside_draws_of_the_data():
    lines = []
    suite = Simplex((5,), training=2, steps=3, points=300)
    rows = [row for part in suite.measure(Job((), Path("unused"), lines.append)) for row in part]
    found = {row.method: row.value for row in rows if row.metric == "kl_nats"}
    assert found.keys() == {"draws of the data", *entrants(5)}
    # 2 n KL is chi-square with K - 1 degrees for each of 4 positions: its mean has a deviation of sqrt(2 (K - 1) / 4)
    assert abs(600 * found["draws of the data"] - 4) < 4.5 * (2 * 4 / 4) ** 0.5
    assert all("quick (2 steps of training, 300 draws)" in row.case for row in rows)
    assert len(lines) == 5


def test_the_divergence_is_that_of_the_shares():
    x, law = torch.tensor([[0, 0], [0, 1], [0, 1], [1, 1]]), torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    first = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
    assert empirical_kl(x, law).item() == pytest.approx(first.item() / 2)
    assert empirical_kl(x[:3, :1], law[:1]).item() == pytest.approx(torch.tensor(2.0).log().item())
