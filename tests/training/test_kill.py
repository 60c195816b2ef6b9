"""Real processes, really killed."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pushforward.training import load_checkpoint

script = Path(__file__).with_name("survivor.py")


def run(folder, place="never", count=1):
    return subprocess.run([sys.executable, script, folder, place, str(count)], capture_output=True, check=False)


@pytest.mark.story
def test_killed_anywhere_it_resumes_to_the_same_bits(tmp_path):
    assert run(tmp_path / "whole").returncode == 0
    chance = random.Random(0)
    deaths = [
        ("net", chance.randint(1, 9)),  # before the first checkpoint
        ("half the tensors", 2),
        ("worker", chance.randint(5, 15)),
        ("before .json", 1),  # the tensors have their name, but do not count yet
        ("after .json", 1),  # counts, but the old ones are still there
        ("net", chance.randint(11, 19)),
    ]
    for place, count in deaths:
        died = run(tmp_path / "killed", place, count)
        assert died.returncode == (1 if place == "worker" else -signal.SIGKILL), (place, count, died.stderr.decode())
    last = run(tmp_path / "killed")
    assert last.returncode == 0, last.stderr.decode()

    whole, killed = (load_checkpoint(tmp_path / name / "checkpoint") for name in ("whole", "killed"))
    assert whole.step == killed.step == 60
    assert whole.tensors.keys() == killed.tensors.keys()
    assert {name.split("/")[0] for name in whole.tensors} == {"module", "ema", "optimizer"}
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, killed.tensors[name]), name
    assert not list((tmp_path / "killed" / "checkpoint").glob(".*"))
    lines = [json.loads(text) for text in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert steps[-1] == 60
