import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.nets import MLP, CornerNet, ResidualMLP, UNet

NETS = {
    "MLP": ((2,), lambda k, f: MLP((2 * k,), features=f, width=16)),
    "ResidualMLP": ((4,), lambda k, f: ResidualMLP((4 * k,), features=f, width=16, depth=1, context=16)),
    "UNet": ((2, 8, 8), lambda k, f: UNet((2 * k, 8, 8), features=f, width=8, multipliers=(1, 1))),
}


def points(n, k=3):
    a = torch.rand(n, k)
    return a / a.sum(1, keepdim=True)


@pytest.mark.parametrize("name", NETS)
def test_one_answer_per_marginal_that_sees_state_and_point(name, perturbed):
    shape, make = NETS[name]
    net = perturbed(CornerNet(make(3, 3), 3))
    x, a = torch.randn(4, *shape), points(4)
    g = net(x, a)
    assert g.shape == (4, 3, *shape)
    assert not torch.allclose(g[:, 0], g[:, 1])
    assert not torch.allclose(g, net(x, a.flip(0)))
    assert not torch.allclose(g, net(x.flip(0), a))


@pytest.mark.parametrize("name", NETS)
def test_rows_do_not_see_each_other(name, perturbed):
    shape, make = NETS[name]
    net = perturbed(CornerNet(make(2, 2), 2)).double()
    x, a = torch.randn(4, *shape).double(), points(4, 2).double()
    torch.testing.assert_close(net(x, a)[1:2], net(x[1:2], a[1:2]))


def test_vector_conditions_are_seen_beside_the_point(perturbed):
    net = perturbed(CornerNet(MLP((6,), features=3 + 2, width=8), 3))
    x, a, cond = torch.randn(4, 2), points(4), torch.randn(4, 2)
    assert not torch.allclose(net(x, a, cond), net(x, a, -cond))


def test_what_does_not_fit_is_refused():
    net = CornerNet(MLP((6,), features=3), 3)
    with pytest.raises(InvalidInput, match=r"a has shape \[4, 2\], expected \[4, 3\]"):
        net(torch.zeros(4, 2), points(4, 2))
    with pytest.raises(Incompatible, match="one-hot"):
        net(torch.zeros(4, 2), points(4), torch.arange(4))
    with pytest.raises(InvalidInput, match="marginals=0"):
        CornerNet(MLP((2,)), 0)
