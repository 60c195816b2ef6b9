"""A tiny world to train in: a line fitted to pairs that can be computed by hand."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pushforward.core import Loss, Pairs, generator_from
from pushforward.training import Training, load_checkpoint


class Line(nn.Module):
    """Two layers with dropout and buffers, so that everything a checkpoint must hold is there."""

    def __init__(self, dropout=0.0, width=4):
        super().__init__()
        generator = generator_from(0, "line")
        self.inner, self.outer = nn.Linear(2, width), nn.Linear(width, 2)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("seen", torch.tensor(0))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)

    def forward(self, x, t, cond=None):
        if self.training:
            self.mean.lerp_(x.detach().mean(0).to(self.mean.dtype), 0.1)
            self.seen += 1
        return self.outer(self.dropout(torch.tanh(self.inner(x))))


class Regression:
    """Mean square of net(x_t) - (x1 - x0) at random t: draws from the generator as real objectives do."""

    def __call__(self, net, batch, *, generator=None):
        t = torch.rand(batch.size, 1, generator=generator, dtype=batch.x1.dtype)
        error = net(t * batch.x1 + (1 - t) * batch.x0, t[:, 0]) - (batch.x1 - batch.x0)
        value = error.square().mean()
        return Loss(value, {"fit": value.detach()})


class Quiet:
    """Mean square of net(x0) - x1: no randomness of its own."""

    def __call__(self, net, batch, *, generator=None):
        value = (net(batch.x0, batch.x0[:, 0]) - batch.x1).square().mean()
        return Loss(value, {"fit": value.detach()})


@dataclass
class Draws:
    """Normal pairs; `broken` steps (counted from 0) hold a value that no net survives."""

    broken: int | None = None
    value: float = float("nan")
    shift: float = 1.0

    def pairs(self, step, size, *, seed):
        generator = generator_from(seed, "draws", step)
        x0, x1 = torch.randn(2, size, 2, generator=generator)
        if step == self.broken:
            x1[0, 0] = self.value
        return Pairs((x0, x1 + self.shift))


SHORT = Training(steps=40, batch_size=8, learning_rate=0.02, warmup=5, log_every=10, checkpoint_every=10, ema=0.9)


def _same(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def _stored(folder):
    return load_checkpoint(folder / "checkpoint").tensors


def _bits(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture
def toy():
    return SimpleNamespace(
        line=Line,
        regression=Regression(),
        quiet=Quiet(),
        draws=Draws,
        bits=_bits,
        short=SHORT,
        same=_same,
        stored=_stored,
    )


@pytest.fixture
def small_files():
    """A disk that fills up: no file may grow past the given size inside the block."""
    import contextlib
    import resource

    @contextlib.contextmanager
    def limit(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
