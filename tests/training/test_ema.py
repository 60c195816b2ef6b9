import pytest
import torch
from torch import nn

from pushforward.training import EMA


def walk(module, k):
    generator = torch.Generator().manual_seed(k)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
        module.mean.add_(k)
        module.seen += 1


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_the_average_is_the_weighted_sum_of_all_weights(toy, decay):
    """Unrolled: theta_0 counts prod d_j, theta_k counts (1 - d_k) prod_{j > k} d_j."""
    net = toy.line()
    ema = EMA(net, decay)
    trail = [net.inner.weight.detach().double().clone()]
    means = [0.0]
    for k in range(1, 21):
        walk(net, k)
        ema.update(k)
        trail.append(net.inner.weight.detach().double().clone())
        means.append(net.mean[0].item())
    d = [1.0] + [min(decay, (1 + k) / (10 + k)) for k in range(1, 21)]
    shares = torch.tensor([(1 - d[k] if k else 1.0) * torch.tensor(d[k + 1 :]).prod() for k in range(21)]).double()
    expected = (shares[:, None, None] * torch.stack(trail)).sum(0)
    assert shares.sum() == pytest.approx(1.0)
    # 20 roundings of float32, relative to sizes of about 5
    torch.testing.assert_close(ema.tensors["inner.weight"].double(), expected, rtol=0, atol=20 * 6e-8 * 10)
    assert ema.tensors["mean"][0].item() == pytest.approx(float(shares @ torch.tensor(means).double()), rel=1e-5)
    assert "seen" not in ema.tensors  # counters are not averaged


def test_the_first_decays_are_small(toy):
    net = toy.line()
    ema = EMA(net, 0.9999)
    walk(net, 1)
    before = ema.tensors["mean"].clone()
    ema.update(1)
    torch.testing.assert_close(ema.tensors["mean"], before + (net.mean - before) * (1 - 2 / 11))


def test_applied_gives_the_weights_back_bit_for_bit(toy):
    net = toy.line()
    ema = EMA(net, 0.9)
    walk(net, 1)
    ema.update(1)
    own = toy.bits(net)

    def inside():
        with ema.applied():
            assert torch.equal(net.inner.weight, ema.tensors["inner.weight"])
            assert not torch.equal(net.inner.weight, own["inner.weight"])
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        inside()
    assert all(torch.equal(own[name], tensor) for name, tensor in toy.bits(net).items())


def test_tied_weights_are_averaged_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert sorted(EMA(net, 0.9).tensors) == ["0.bias", "0.weight", "1.bias"]
