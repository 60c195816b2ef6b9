import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput
from pushforward.nets import MLP


def test_the_default_is_the_network_of_the_tutorials_with_the_same_initial_weights():
    torch.manual_seed(0)
    net = MLP((2,))
    torch.manual_seed(0)
    tutorial = nn.Sequential(
        nn.Linear(3, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 2)
    )
    x, t = torch.randn(9, 2), torch.rand(9)
    torch.testing.assert_close(net(x, t), tutorial(torch.cat([x, t[:, None]], 1)), rtol=0, atol=1e-6)
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in tutorial.parameters())


def test_a_vector_condition_acts_as_more_inputs():
    """W [x, t] + V c + both biases is one linear layer on [x, t, c]."""
    net = MLP((2,), features=3, width=8, depth=1, activation="tanh")
    x, t, c = torch.randn(5, 2), torch.rand(5), torch.randn(5, 3)
    joint = nn.Linear(6, 8)
    with torch.no_grad():
        joint.weight.copy_(torch.cat([net.first.weight, net.condition.linear.weight], 1))
        joint.bias.copy_(net.first.bias + net.condition.linear.bias)
    torch.testing.assert_close(net(x, t, c), net.rest(joint(torch.cat([x, t[:, None], c], 1))))


def test_a_module_class_is_an_activation_too():
    net = MLP((2,), activation=nn.Mish)
    assert sum(isinstance(m, nn.Mish) for m in net.modules()) == 3


def test_an_unknown_activation_lists_the_nearest():
    with pytest.raises(InvalidInput, match="unknown activation 'sellu', did you mean selu"):
        MLP((2,), activation="sellu")
