"""Evaluation of flows that are known to be perfect, to copy, or to miss."""

import math

import pytest
import torch

import pushforward as pf
from pushforward.config import Evaluation
from pushforward.core import generator_from
from pushforward.flow import Flow, evaluate, usual_conditions

SETTINGS = Evaluation(samples=200, exact=100)


def normal(n, seed, shift=0.0):
    return torch.randn(n, 2, generator=generator_from(seed, "rows")) + shift


def dataset(train, test, cond=(None, None), **known):
    return pf.data.Dataset(*(pf.data.Arrays(x, c) for x, c in zip((train, test), cond, strict=True)), **known)


@pytest.fixture(scope="module")
def flow():
    """A flow whose `sample` and `score` are replaced by what a test wants to see judged."""
    return Flow(net={"type": "MLP", "width": 4}, training={"steps": 1, "batch_size": 4}).fit(normal(20, 0))


@pytest.fixture
def judge(flow, monkeypatch):
    def run(rows, data, settings=SETTINGS):
        monkeypatch.setattr(Flow, "sample", lambda self, n, cond=None, **_: rows[:n])
        monkeypatch.setattr(Flow, "score", lambda self, x, cond=None: -1.5)
        return evaluate(flow, settings, data=data)

    return run


DATA = dataset(normal(600, 1), normal(400, 2))


def test_a_perfect_sampler_reaches_every_floor_and_a_shifted_one_none(judge):
    perfect, shifted = (judge(normal(200, 3, shift), DATA).metrics for shift in (0.0, 3.0))
    for name in ("wasserstein", "sliced_wasserstein", "energy_distance", "frechet"):
        assert shifted[name] > 3 * shifted[f"{name}_floor"]
        assert perfect[f"{name}_floor"] == shifted[f"{name}_floor"]
    assert perfect["wasserstein"] < 1.3 * perfect["wasserstein_floor"]
    for name in ("precision", "recall", "coverage"):
        # shares of at most 200 rows: a standard error is at most 0.5 / sqrt(100)
        assert perfect[name] > perfect[f"{name}_floor"] - 0.2
        assert name == "recall" or shifted[name] < perfect[f"{name}_floor"] - 0.3  # one far sample may reach all
        assert shifted[f"{name}_floor"] == perfect[f"{name}_floor"] > 0.7
    assert perfect["nll"] == 1.5
    assert "nll_floor" not in perfect


def test_copies_of_any_training_row_are_found(judge):
    """More rows than are taken for the other figures: each of them may be the one that was copied."""
    train = normal(10_200, 4)
    data = dataset(train, normal(400, 5))
    found = judge(train[-200:], data).metrics
    assert found["copies"] == 1.0
    assert found["copies_floor"] == 2 / 201  # of 201 new distances, 200 of them held out, the two smallest
    new = judge(normal(200, 6), data).metrics["copies"]
    # the chance of a new row is Beta(2, 199), hardly ever above 0.05; then 200 draws
    assert new < 0.05 + 4 * math.sqrt(0.05 / 200)


def test_classes_are_asked_for_in_turn_and_judged_against_real_ones(judge):
    labels = torch.arange(600) % 2
    far = lambda x: x + 20.0 * (torch.arange(len(x)) % 2)[:, None]
    transform = pf.data.AffineMap(0.1, 0.0)
    data = dataset(far(DATA.train.x), far(DATA.test.x), (labels, labels[:400]), classes=2, transform=transform)
    right, wrong = (judge(far(normal(200, 7)).roll(k, 0), data) for k in (0, 1))
    assert right.cond.tolist() == [0, 1] * 100
    assert right.metrics["class_accuracy"] == right.metrics["class_accuracy_floor"] == 1.0
    assert wrong.metrics["class_accuracy"] == 0.0


def test_the_rows_behind_the_figures_come_along(judge):
    found = judge(normal(200, 3), DATA)
    assert torch.equal(found.samples, normal(200, 3))
    assert found.real.shape == (200, 2)
    assert found.cond is None
    assert found.real_cond is None


def test_same_settings_same_figures(judge):
    assert judge(normal(200, 3), DATA).metrics == judge(normal(200, 3), DATA).metrics


def test_vectors_of_held_out_rows_are_the_usual_conditions():
    cond = torch.rand(40, 3)
    data = dataset(DATA.train.x[:40], DATA.test.x[:40], (torch.rand(40, 3), cond))
    found = usual_conditions(data, 60)
    assert found.shape == (60, 3)
    assert all((row == cond).all(1).any() for row in found)
    assert usual_conditions(DATA, 5) is None
