"""What only networks on images can get wrong."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.nets import DiT, UNet
from pushforward.nets.layers import SelfAttention


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 17, 9), (1, 64, 64), (1, 1, 1)])
def test_unet_takes_any_sides(shape):
    net = UNet(shape, width=8)
    assert net(torch.randn(1, *shape), torch.zeros(1)).shape == (1, *shape)


@pytest.mark.parametrize(("side", "attention", "seen"), [(28, 8, [49]), (28, 14, [49, 196]), (28, 0, []), (64, 8, [])])
def test_unet_attends_at_coarse_levels_only(side, attention, seen):
    """Counted where it happens: 28 pixels give 7 x 7 tokens at the third level, never the 784 of the first."""
    net, tokens = UNet((1, side, side), width=8, attention=attention), set()
    for module in net.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_hook(lambda _m, args, _out: tokens.add(args[0].shape[1]))
    net(torch.randn(1, 1, side, side), torch.zeros(1))
    assert sorted(tokens) == seen


@pytest.mark.parametrize("net", [UNet((2, 8, 8), width=8, attention=4), DiT((2, 8, 8), width=16, heads=2, depth=1)])
def test_channels_last_changes_nothing(net, perturbed):
    net = perturbed(net)
    x, t = torch.randn(3, 2, 8, 8), torch.rand(3)
    expected = net(x, t)
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last), t), expected, rtol=1e-5, atol=1e-5)
    net = net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last), t), expected, rtol=1e-5, atol=1e-5)


def test_unet_shifts_with_its_input_away_from_the_border(perturbed):
    """At one resolution without attention it is a convolution: moving the image moves the answer.

    Group norm sees the whole image, so the blob is moved inside zeros and its statistics stay.
    """
    net = perturbed(UNet((1, 40, 40), width=8, multipliers=(1,), attention=0)).double()
    x = torch.zeros(1, 1, 40, 40, dtype=torch.float64)
    x[..., 18:21, 18:21] = torch.randn(3, 3, dtype=torch.float64)
    t = torch.zeros(1, dtype=torch.float64)
    moved = net(x.roll((2, -1), (2, 3)), t).roll((-2, 1), (2, 3))
    torch.testing.assert_close(moved[..., 12:28, 12:28], net(x, t)[..., 12:28, 12:28], rtol=1e-9, atol=1e-9)


def test_dit_cuts_images_into_patches_and_joins_them_again():
    net = DiT((2, 4, 6), patch=2, width=8, heads=1, depth=1)
    x = torch.arange(96.0).reshape(2, 2, 4, 6)
    patches = net._cut(x)
    assert patches.shape == (2, 6, 8)
    assert torch.equal(patches[1, 4].reshape(2, 2, 2), x[1, :, 2:4, 2:4])  # second row of patches, second of three
    assert torch.equal(net._join(patches), x)


def test_dit_knows_where_a_patch_is(perturbed):
    """Without positions, exchanging two patches would exchange two answers."""
    net = perturbed(DiT((1, 4, 4), width=16, heads=2, depth=1))
    x, t = torch.randn(1, 1, 4, 4), torch.zeros(1)
    assert not torch.allclose(net(x.roll(2, 3), t), net(x, t).roll(2, 3), atol=1e-3)
    with torch.no_grad():
        net.positions.zero_()
    torch.testing.assert_close(net(x.roll(2, 3), t), net(x, t).roll(2, 3), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DiT((1, 7, 8)), "7 x 8 pixels and patch=2, expected patch to divide both"),
        (lambda: DiT((1, 8, 8), width=30, heads=4), "width=30 and heads=4, expected heads to divide"),
        (lambda: DiT((64,)), r"DiT got shape=\[64\], expected \[channels, height, width\]"),
        (lambda: UNet((64,)), r"UNet got shape=\[64\], expected \[channels, height, width\]"),
        (lambda: UNet((1, 8, 8), multipliers=(1, 0)), r"multipliers=\[1, 0\], expected each"),
        (lambda: UNet((1, 8, 8), multipliers=()), "levels=0, expected at least 1"),
    ],
)
def test_impossible_images_are_refused(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()
