"""torchcfm's own loop, run by us."""

import numpy as np
import pytest
import torch

from pushforward.bench.tutorial import train_torchcfm
from pushforward.data import EightGaussians, Moons

pytest.importorskip("torchcfm", reason="torchcfm is not installed: pip install --no-deps torchcfm torchdiffeq")

X, T = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 5)


def trained(method="OT-CFM", seed=0, steps=3):
    return train_torchcfm(method, EightGaussians().sample, Moons().sample, steps=steps, seed=seed)(X, T)


@pytest.mark.parametrize("method", ["OT-CFM", "I-CFM"])
def test_depends_on_the_seed_alone(method):
    first = trained(method)
    torch.rand(3)
    np.random.rand(3)
    assert torch.equal(trained(method), first)
    assert not torch.equal(trained(method, seed=1), first)


def test_methods_differ():
    assert not torch.equal(trained("OT-CFM"), trained("I-CFM"))


def test_global_generators_are_as_before():
    torch.manual_seed(7)
    np.random.seed(7)
    trained()
    drawn = torch.rand(1), np.random.rand()
    torch.manual_seed(7)
    np.random.seed(7)
    assert (torch.rand(1), np.random.rand()) == drawn


def test_it_learns():
    x0 = EightGaussians().sample(5000, generator=torch.Generator().manual_seed(0))
    x1 = Moons().sample(5000, generator=torch.Generator().manual_seed(1))
    t = torch.rand(5000, generator=torch.Generator().manual_seed(2))
    field = train_torchcfm("I-CFM", EightGaussians().sample, Moons().sample, steps=400, seed=0)
    with torch.no_grad():
        loss = (field(torch.lerp(x0, x1, t[:, None]), t) - (x1 - x0)).square().mean()
    # what the best field that is linear in x leaves, v0 v1 / ((1 - t)^2 v0 + t^2 v1), integrated over t
    linear = (x0.std(0) * x1.std(0) * torch.pi / 2).mean()
    assert loss < linear < (x1 - x0).square().mean() / 1.5
