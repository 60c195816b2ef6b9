"""For `test_processes.py`: `pair.py FOLDER DEVICES STEPS` trains; fabric starts it once more for the second process."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from pushforward.core import Loss, Pairs, generator_from
from pushforward.training import Training, train


@dataclass
class Draws:
    broken: int = -1

    def pairs(self, step, size, *, seed):
        x0, x1 = torch.randn(2, size, 2, generator=generator_from(seed, "draws", step))
        if step == self.broken:
            x1[-1] = float("nan")  # a row of the second process only
        return Pairs((x0, x1 + 1))


class Net(nn.Linear):
    def forward(self, x, t, cond=None):
        return super().forward(x)


class Quiet:
    def __call__(self, net, batch, *, generator=None):
        value = (net(batch.x0, batch.x0[:, 0]) - batch.x1).square().mean()
        return Loss(value, {"fit": value.detach()})


def main(folder, devices, steps):
    torch.set_num_threads(1)
    net = Net(2, 2)
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    settings = Training(
        steps=steps,
        batch_size=8,
        learning_rate=0.05,
        final_learning_rate=None,
        ema=0.9,
        device="cpu",
        devices=devices,
        log_every=5,
        checkpoint_every=10,
        validate_every=4,
        sample_every=10,
    )
    feed = Draws(broken=25 if steps == 30 else -1)
    train(
        net, Quiet(), feed, settings, folder=folder, resume=True, validation=Draws(), on_sample=lambda net, step: None
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
