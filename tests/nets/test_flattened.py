"""A network of vectors on states of any shape."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.fields.stacked import Stacked
from pushforward.nets import MLP, Flattened

STATE = {"shift": torch.randn(4, 2, 3), "rotation": torch.randn(4, 2, 3, 3), "size": torch.randn(4)}
FLAT = torch.cat([STATE[name].reshape(4, -1) for name in ("rotation", "shift", "size")], 1)


def test_it_is_the_network_on_all_numbers_in_the_order_of_names():
    net, t = MLP((25,), width=8, classes=2), torch.rand(4)
    cond = torch.tensor([0, 1, 1, 0])
    for state in (STATE, dict(reversed(STATE.items()))):
        out = Flattened(net)(state, t, cond)
        assert {name: leaf.shape for name, leaf in out.items()} == {name: leaf.shape for name, leaf in STATE.items()}
        whole = torch.cat([out[name].reshape(4, -1) for name in ("rotation", "shift", "size")], 1)
        assert torch.equal(whole, net(FLAT, t, cond))
    x = STATE["rotation"]
    small = MLP((18,), width=8)
    assert torch.equal(Flattened(small)(x, t), small(x.flatten(1), t).reshape(x.shape))


def test_several_quantities_lie_side_by_side_in_every_leaf():
    net, t = MLP((25,), width=8, outputs=2), torch.rand(4)
    parts = Stacked(Flattened(net)(STATE, t), (1.0, 1.0)).split(STATE)
    for part, whole in zip(parts, net(FLAT, t).chunk(2, 1), strict=True):
        assert torch.equal(torch.cat([part[name].reshape(4, -1) for name in ("rotation", "shift", "size")], 1), whole)


def test_an_answer_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match="build it for vectors"):
        Flattened(lambda x, t, cond: x[:, :4])(STATE, torch.zeros(4))
