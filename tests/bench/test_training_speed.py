from pathlib import Path

import pytest
import torch

from pushforward.bench import Job, TrainingSpeed


def measure(peers):
    lines = []
    cases = list(TrainingSpeed(steps=2, repeats=1).measure(Job(peers, Path("unused"), lines.append)))
    return cases, lines


def test_ours_alone():
    before = torch.get_num_threads()
    cases, lines = measure(())
    assert torch.get_num_threads() == before
    # torch's default number of threads, and one: the same case in tests
    assert [row.case for rows in cases for row in rows[:1]] == [
        f"8 gaussians -> moons, batch 256, torch threads {n}, 1 x 2 steps" for n in dict.fromkeys((before, 1))
    ]
    for rows in cases:
        assert [(row.method, row.metric, row.unit, row.source) for row in rows] == [
            ("ExactOT", "steps_per_second", "1/s", "ours"),
            ("Independent", "steps_per_second", "1/s", "ours"),
            ("Independent over ExactOT of ours", "speedup", "x", "ours"),
        ]
        assert all(row.value > 0 and row.seed is None and row.suite == "training_speed" for row in rows)
    assert len(lines) == 4 * len(cases)


def test_the_ratio_is_that_of_the_rates():
    pytest.importorskip("torchcfm", reason="torchcfm is not installed: pip install --no-deps torchcfm torchdiffeq")
    cases, _ = measure(("torchcfm",))
    rows = cases[-1]
    rate = {(row.method, row.source): row.value for row in rows if row.metric == "steps_per_second"}
    ratio = {row.method: row.value for row in rows if row.metric == "speedup"}
    assert ratio == {
        "ExactOT over OT-CFM of torchcfm": rate["ExactOT", "ours"] / rate["OT-CFM", "torchcfm"],
        "Independent over I-CFM of torchcfm": rate["Independent", "ours"] / rate["I-CFM", "torchcfm"],
        "Independent over ExactOT of ours": rate["Independent", "ours"] / rate["ExactOT", "ours"],
    }


def test_peers_without_a_training_loop_are_left_out():
    cases, _ = measure(("pot", "scipy"))
    assert all(row.source == "ours" for rows in cases for row in rows)
