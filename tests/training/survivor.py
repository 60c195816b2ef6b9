"""For `test_kill.py`: `survivor.py FOLDER PLACE COUNT` trains, and dies by SIGKILL at its COUNT-th visit to PLACE.

At the place "worker" the process that prepares its batches dies instead, and then the run fails.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from pushforward.couplings import Independent
from pushforward.data import Arrays
from pushforward.objectives import FlowMatching
from pushforward.training import Feed, Training, train

visits = []


def visit(here):
    visits.append(here)
    if here == sys.argv[2] and visits.count(here) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.1), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, x, t, cond=None):
        visit("net")
        return self.layers(torch.cat([x, t[:, None]], 1))


class Coupling:
    def __call__(self, x0, x1, cond=None, *, generator=None):
        visit("worker")
        return Independent()(x0, x1, cond, generator=generator)


write_bytes, replace = Path.write_bytes, Path.replace


def slow_write(self, content):
    write_bytes(self, content[: len(content) // 2])
    if ".safetensors" in self.name:
        visit("half the tensors")
    return write_bytes(self, content)


def slow_replace(self, target):
    visit(f"before {target.suffix}")
    result = replace(self, target)
    visit(f"after {target.suffix}")
    return result


def main():
    torch.set_num_threads(1)
    Path.write_bytes = slow_write
    Path.replace = slow_replace
    torch.manual_seed(0)
    rows = torch.randn(500, 2) + 3
    torch.manual_seed(os.getpid())  # nothing may depend on it
    weights = torch.Generator().manual_seed(1)
    net = Net()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3, generator=weights)
    settings = Training(steps=60, batch_size=32, log_every=7, checkpoint_every=10, ema=0.9, workers=1)
    train(
        net,
        FlowMatching(),
        Feed(Arrays(rows), coupling=Coupling()),
        settings,
        seed=2,
        folder=Path(sys.argv[1]),
        resume=True,
    )


if __name__ == "__main__":
    main()
