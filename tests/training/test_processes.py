"""Two real processes on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pushforward.training import complete_steps, load_checkpoint

script = Path(__file__).with_name("pair.py")


def run(folder, devices, steps):
    command = [sys.executable, script, folder, str(devices), str(steps)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.story
def test_two_processes_do_the_work_of_one_and_fail_together(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(one, 1, 20).returncode == 0
    for steps in (10, 20):  # the second resumes the first
        done = run(two, 2, steps)
        assert done.returncode == 0, done.stderr
    a, b = (load_checkpoint(folder / "checkpoint").tensors for folder in (one, two))
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        # the same gradients summed in another order, twenty times
        torch.testing.assert_close(tensor, b[name], rtol=1e-4, atol=1e-5)
    losses = [
        [
            r.get("loss", r.get("validation_loss"))
            for r in map(json.loads, (f / "metrics.jsonl").read_text().splitlines())
        ]
        for f in (one, two)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)

    broken = run(two, 2, 30)
    assert broken.returncode != 0
    assert "step 26 has loss nan" in broken.stderr
    assert complete_steps(two / "checkpoint") == [10, 20]
