"""The network that says what a sequence is."""

import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput
from pushforward.nets import TokenClassifier

B, N, K = 4, 20, 5


def build(**sizes):
    return TokenClassifier(K, N, 3, **{"width": 16, "kernel": 5, "pools": (3, 2)} | sizes)


def draws():
    g = torch.Generator().manual_seed(0)
    return torch.randint(K, (B, N), generator=g), torch.rand(B, generator=g)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_starts_by_saying_that_all_classes_are_alike(dtype):
    x, t = draws()
    out = build().to(dtype)(x, t.to(dtype))
    assert out.shape == (B, 3)
    assert out.dtype == dtype
    assert (out == 0).all()


def test_a_gradient_reaches_every_parameter_and_probabilities(perturbed):
    net, (x, t) = perturbed(build()), draws()
    x[0] = torch.arange(N) % K  # all symbols occur
    shown = nn.functional.one_hot(x, K).float().requires_grad_()
    out = net(shown, t)
    torch.testing.assert_close(out, net(x, t), rtol=1e-5, atol=1e-5)
    out.square().sum().backward()
    assert shown.grad.abs().amax((0, 2)).min() > 0
    for name, p in net.named_parameters():
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().max() > 0, name


def test_rows_are_apart_and_time_is_heard(perturbed):
    net, (x, t) = perturbed(build()).eval(), draws()
    alone = torch.cat([net(x[k : k + 1], t[k : k + 1]) for k in range(B)])
    torch.testing.assert_close(net(x, t), alone, rtol=1e-5, atol=1e-5)
    assert (net(x, t) - net(x, 1 - t)).abs().max() > 1e-4


def test_learns_where_a_word_stands():
    """Two classes that differ in the place of one word only, which shares of letters cannot tell."""
    gen = torch.Generator().manual_seed(0)
    x, label = torch.randint(4, (256, 30), generator=gen), torch.arange(256) % 2
    for place, rows in ((5, label == 0), (20, label == 1)):
        x[rows, place : place + 4] = torch.tensor([0, 3, 0, 3])
    torch.manual_seed(0)
    net = TokenClassifier(4, 30, 2, width=16, kernel=5)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[:128], torch.ones(128)), label[:128]).backward()
        optimiser.step()
    assert (net(x[128:], torch.ones(128)).argmax(1) == label[128:]).float().mean() > 0.95


def test_dropout_is_of_training_only(perturbed):
    net, (x, t) = perturbed(build(dropout=0.5)), draws()
    torch.manual_seed(0)
    assert not torch.equal(net(x, t), net(x, t))
    net.eval()
    assert torch.equal(net(x, t), net(x, t))


def test_what_cannot_be_used_is_refused():
    x, t = draws()
    with pytest.raises(InvalidInput, match="x has 19 positions, expected 20"):
        build()(x[:, 1:], t)
    with pytest.raises(InvalidInput, match=r"expected symbols \[B, N\]"):
        build()(x[:, None], t)
    for sizes, told in (
        ({"kernel": 4}, "odd number"),
        ({"pools": ()}, "pools=0"),
        ({"width": 0}, "width=0"),
        ({"dropout": 1.0}, r"dropout=1.0, expected a share in \[0, 1\)"),
    ):
        with pytest.raises(InvalidInput, match=told):
            build(**sizes)
    with pytest.raises(InvalidInput, match="classes=1, expected at least two"):
        TokenClassifier(4, 9, 1)
