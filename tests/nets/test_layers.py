import torch
from torch import nn

from pushforward.core import jvp
from pushforward.nets.layers import SelfAttention, layer_norm, modulate, zeroed


def test_layer_norm_is_torchs_in_value_and_first_derivative():
    h = torch.randn(5, 7, dtype=torch.float64)
    direction = torch.randn_like(h)
    value, slope = jvp(layer_norm, (h,), (direction,))
    expected, exact = jvp(lambda h: nn.functional.layer_norm(h, (7,)), (h,), (direction,))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(slope, exact)
    assert torch.equal(layer_norm(h), nn.functional.layer_norm(h, (7,)))


def test_a_jvp_through_layer_norm_can_be_differentiated_again():
    """The second derivative of LN(w h) in w, forward over forward and reverse over forward, by differences."""
    h, direction = torch.randn(2, 3, 7, dtype=torch.float64)

    def slope(w):
        return jvp(lambda h: layer_norm(w * h), (h,), (direction,))[1][0].pow(2).sum()

    w, step = torch.tensor(1.3, dtype=torch.float64, requires_grad=True), 1e-6
    (reverse,) = torch.autograd.grad(slope(w), w)
    difference = (slope(w + step) - slope(w - step)) / (2 * step)
    torch.testing.assert_close(reverse, difference.detach(), rtol=1e-7, atol=1e-7)
    _, forward = torch.func.jvp(slope, (w.detach(),), (torch.ones_like(w.detach()),))
    torch.testing.assert_close(forward, reverse, rtol=1e-9, atol=1e-9)


def test_modulation_sets_mean_and_spread():
    h = modulate(torch.randn(4, 1000), torch.full((4, 1), 2.0), torch.full((4, 1), 0.5))
    torch.testing.assert_close(h.mean(1), torch.full((4,), 2.0), rtol=0, atol=1e-5)
    torch.testing.assert_close(h.std(1, correction=0), torch.full((4,), 1.5), rtol=1e-4, atol=0)  # eps = 1e-5


def test_attention_equals_torchs_module():
    ours, theirs = SelfAttention(12, 3).double(), nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.inward.weight)
        theirs.in_proj_bias.copy_(ours.inward.bias)
        theirs.out_proj.load_state_dict(ours.outward.state_dict())
    h = torch.randn(2, 5, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(h), theirs(h, h, h, need_weights=False)[0])


def test_zeroed_layers_say_nothing():
    assert not zeroed(nn.Linear(3, 4))(torch.randn(2, 3)).any()
