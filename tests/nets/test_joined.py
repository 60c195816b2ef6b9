"""A network on mappings is the network on their concatenation."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.fields.stacked import Stacked
from pushforward.nets import MLP, DiT, Joined, ResidualMLP, UNet
from pushforward.nets.inputs import check_events

NETS = {
    "vectors": ((2,), (3,), lambda **more: ResidualMLP((5,), width=16, depth=1, context=8, **more)),
    "numbers": ((2,), (), lambda **more: MLP((3,), width=16, **more)),
    "images": ((1, 8, 8), (2, 8, 8), lambda **more: UNet((3, 8, 8), width=8, multipliers=(1, 2), **more)),
    "patches": ((1, 4, 4), (1, 4, 4), lambda **more: DiT((2, 4, 4), width=16, depth=1, heads=1, **more)),
}
every = pytest.mark.parametrize(("data", "label", "make"), NETS.values(), ids=NETS)


def state(data, label, gen, dtype=torch.float32):
    draw = lambda event: torch.randn(4, *event, generator=gen, dtype=dtype)
    return {"data": draw(data), "label": draw(label)}, torch.rand(4, generator=gen, dtype=dtype)


def flat(x):
    return torch.cat([leaf[:, None] if leaf.ndim == 1 else leaf for leaf in (x["data"], x["label"])], 1)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_network_on_the_concatenation(data, label, make, dtype, perturbed):
    net = perturbed(make()).to(dtype)
    x, t = state(data, label, torch.Generator().manual_seed(0), dtype)
    out = Joined(net)(x, t)
    assert {name: (leaf.shape, leaf.dtype) for name, leaf in out.items()} == {
        name: (leaf.shape, leaf.dtype) for name, leaf in x.items()
    }
    assert flat(out).equal(net(flat(x), t))
    # the order of a mapping says nothing
    turned = Joined(net)(dict(reversed(x.items())), t)
    assert all(turned[name].equal(leaf) for name, leaf in out.items())


@every
def test_several_quantities_lie_side_by_side_in_every_leaf(data, label, make, perturbed):
    net = perturbed(make(outputs=2))
    x, t = state(data, label, torch.Generator().manual_seed(0))
    parts = Stacked(Joined(net)(x, t), (1.0, 1.0)).split(x)
    for part, whole in zip(parts, net(flat(x), t).chunk(2, 1), strict=True):
        assert flat(part).equal(whole)


def test_it_is_told_the_condition_and_trained_as_the_network_inside(perturbed):
    net = Joined(perturbed(MLP((3,), classes=2, width=8)))
    x, t = state((2,), (), torch.Generator().manual_seed(0))
    one, other = (net(x, t, torch.full((4,), k)) for k in (0, 1))
    assert not torch.allclose(one["label"], other["label"])
    (flat(one).square().sum() + flat(net(x, t)).sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_what_does_not_lie_side_by_side_is_refused():
    net = Joined(MLP((5,), width=8))
    with pytest.raises(InvalidInput, match=r"\[4, 5\], Joined takes a mapping"):
        net(torch.zeros(4, 5), torch.zeros(4))
    with pytest.raises(InvalidInput, match=r"data: \[4, 1, 8, 8\], label: \[4, 3\]\}, which do not lie side by side"):
        net({"data": torch.zeros(4, 1, 8, 8), "label": torch.zeros(4, 3)}, torch.zeros(4))
    with pytest.raises(InvalidInput, match=r"x is a mapping \{data: \[4, 2\]\}.*nets.Joined\(net\)"):
        check_events({"data": torch.zeros(4, 2)}, torch.zeros(4), (2,))
