"""The learned Gaussian process: its motion and score against derivatives taken elsewhere, and its ends."""

import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput, Pairs, Path
from pushforward.nets import MLP
from pushforward.objectives import NeuralPath


def networks(shape=(2,), **given):
    torch.manual_seed(0)
    made = lambda: MLP(shape, width=16, activation="silu", **given).double()
    mean, scale = made(), made()
    for net in (mean, scale):
        for parameter in net.parameters():
            parameter.data.mul_(2)  # far from the process without networks
    return NeuralPath(mean, scale, delta=0.05)


def pairs(shape=(2,), n=7, cond=None):
    generator = torch.Generator().manual_seed(1)
    x0, x1 = torch.randn(2, n, *shape, generator=generator, dtype=torch.float64)
    return Pairs((x0, x1), cond=cond), torch.rand(n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(2,), (1, 3, 2)], ids=str)
def test_the_velocity_is_the_derivative_of_the_sample(shape):
    path, (ends, t) = networks(shape), pairs(shape)
    assert isinstance(path, Path)
    point, h = path.sample(ends, t), 1e-5
    quotient = (path.sample(ends, t + h).x - path.sample(ends, t - h).x) / (2 * h)
    torch.testing.assert_close(path.velocity(point), quotient, rtol=1e-7, atol=1e-7)
    label = torch.arange(7) % 3
    known, told = networks(shape, classes=3), ends._replace(cond=label)
    quotient = (known.sample(told, t + h).x - known.sample(told, t - h).x) / (2 * h)
    torch.testing.assert_close(known.velocity(known.sample(told, t)), quotient, rtol=1e-7, atol=1e-7)


def test_the_score_is_that_of_the_normal_law():
    path, (ends, t) = networks(), pairs()
    z = path.sample(ends, t).x.detach().requires_grad_()
    mean, log_std = path.law(ends.x1, t)
    torch.distributions.Normal(mean, log_std.exp()).log_prob(z).sum().backward()
    torch.testing.assert_close(path.motion(z.detach(), t, ends.x1)[1], z.grad)


def test_whatever_the_networks_say_it_goes_from_noise_to_data():
    path, (ends, _) = networks(), pairs()
    zero, one = torch.zeros(7, dtype=torch.float64), torch.ones(7, dtype=torch.float64)
    assert torch.equal(path.sample(ends, zero).x, ends.x0)
    torch.testing.assert_close(path.sample(ends, one).x, ends.x1 + 0.05 * ends.x0)
    halfway, plain = (p.sample(ends, 0.5 * one).x for p in (path, NeuralPath.plain(0.05)))
    assert (halfway - plain).abs().mean() > 0.05


def test_without_networks_the_width_is_geometric():
    path, (ends, t) = NeuralPath.plain(0.01), pairs()
    point = path.sample(ends, t)
    torch.testing.assert_close(point.x, t[:, None] * ends.x1 + 0.01 ** t[:, None] * ends.x0)
    expected = ends.x1 + torch.tensor(0.01).double().log() * 0.01 ** t[:, None] * ends.x0
    torch.testing.assert_close(path.velocity(point), expected)


def test_mistakes_are_told():
    with pytest.raises(InvalidInput, match=r"delta is 1\.0, expected a width in"):
        NeuralPath.plain(1.0)
    x = torch.zeros(3, 2)
    with pytest.raises(InvalidInput, match=r"x0 has shape \[3, 2\] and x1 has \[3, 1\]"):
        NeuralPath(nn.Identity(), nn.Identity()).sample(Pairs((x, x[:, :1])), torch.zeros(3))
