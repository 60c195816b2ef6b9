"""Networks over symbols; the laws of all networks, for states that are integers."""

from functools import partial

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, InvalidInput, null_condition
from pushforward.nets import TokenCNN, TokenEmbedding, TokenTransformer
from pushforward.nets.token_embedding import rotated

B, N, K = 4, 9, 5
NETS = {
    "transformer": partial(TokenTransformer, K, width=16, depth=2, heads=2),
    "transformer, mask": partial(TokenTransformer, K, mask=True, width=16, depth=1, heads=1),
    "transformer, near": partial(TokenTransformer, K, width=16, depth=2, heads=2, kernel=3),
    "cnn": partial(TokenCNN, K, width=16, kernel=3, dilations=(1, 2)),
    "cnn, mask": partial(TokenCNN, K, mask=True, width=16, kernel=5, dilations=[1]),
}
every = pytest.mark.parametrize("build", NETS.values(), ids=NETS)
CONDITIONS = {
    "none": ({}, None),
    "labels": ({"classes": 5}, torch.tensor([0, 4, 2, 0])),
    "vectors": ({"features": 3}, torch.linspace(-1, 1, 12).reshape(4, 3)),
}
conditions = pytest.mark.parametrize(("sizes", "cond"), CONDITIONS.values(), ids=CONDITIONS)


def draws():
    g = torch.Generator().manual_seed(0)
    return torch.randint(K, (B, N), generator=g), torch.rand(B, generator=g)


@every
@conditions
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_starts_by_saying_that_all_symbols_are_alike(build, sizes, cond, dtype):
    x, t = draws()
    cond = cond.to(dtype) if cond is not None and cond.is_floating_point() else cond
    out = build(**sizes).to(dtype)(x, t.to(dtype), cond)
    assert out.shape == (B, N, K)
    assert out.dtype == dtype
    assert (out == 0).all()


@every
@conditions
def test_a_gradient_reaches_every_parameter(build, sizes, cond, perturbed):
    net, (x, t) = perturbed(build(**sizes)), draws()
    if cond is not None:
        cond = torch.cat([cond[:3], null_condition(cond[3:])])
    x[0, 0] = net.trunk.first.table.num_embeddings - 1  # the mask, if there is one
    net(x, t, cond).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().max() > 0, name


@every
@conditions
def test_a_row_does_not_depend_on_its_neighbours(build, sizes, cond, perturbed):
    net, (x, t) = perturbed(build(**sizes)), draws()
    y, s = (x + 1) % K, 1 - t
    y[1], s[1] = x[1], t[1]
    other = None if cond is None else null_condition(cond)
    if cond is not None:
        other[1] = cond[1]
    before, after = net(x, t, cond), net(y, s, other)
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[0], after[0])


@every
@pytest.mark.parametrize("name", ["labels", "vectors"])
def test_the_null_condition_equals_no_condition_and_no_other(build, name, perturbed):
    sizes, cond = CONDITIONS[name]
    net, (x, t) = perturbed(build(**sizes)), draws()
    assert torch.equal(net(x, t, null_condition(cond)), net(x, t, None))
    assert ((net(x, t, cond) - net(x, t, None)).flatten(1).abs().amax(1) > 1e-4).all()


@every
def test_time_symbols_and_their_order_matter(build, perturbed):
    net, (x, t) = perturbed(build()), draws()
    for other in (net(x, 0.5 * t), net((x + 1) % K, t), net(x.flip(1), t).flip(1)):
        assert ((other - net(x, t)).flatten(1).abs().amax(1) > 1e-4).all()


@every
def test_symbols_are_probabilities_of_certainty(build, perturbed):
    net, (x, t) = perturbed(build()), draws()
    certain = nn.functional.one_hot(x, net.trunk.first.table.num_embeddings).float()
    torch.testing.assert_close(net(certain, t), net(x, t), rtol=1e-5, atol=1e-5)


@every
def test_sequences_may_have_any_length_and_batches_none(build, perturbed):
    net = perturbed(build())
    assert net(torch.zeros(2, 30, dtype=torch.int64), torch.zeros(2)).shape == (2, 30, K)
    assert net(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0)).shape == (0, 3, K)


@every
def test_bfloat16_autocast_stays_near(build, perturbed):
    """bf16 has 8 bits, so a result of order one may move by a few times 2^-8."""
    net, (x, t) = perturbed(build(classes=5)), draws()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x, t, torch.arange(B))
    exact = net(x, t, torch.arange(B))
    assert (out - exact).norm() < 0.03 * exact.norm()


@every
def test_weights_travel_through_a_state_dict(build, perturbed):
    net, (x, t) = perturbed(build(classes=5)), draws()
    twin = build(classes=5)
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin(x, t), net(x, t))


def test_rotary_positions_know_differences_alone():
    """<rotated q at n, rotated k at m> is the same for all n - m, and lengths stay."""
    q, k = (torch.randn(1, 1, 1, 8, dtype=torch.float64).expand(1, 1, 12, 8) for _ in range(2))
    product = rotated(q)[0, 0] @ rotated(k)[0, 0].T
    for shift in (-3, 0, 5):
        diagonal = product.diagonal(shift)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-6, atol=1e-6)
    assert (product.diagonal(1)[0] - product.diagonal(-1)[0]).abs() > 1e-3
    torch.testing.assert_close(rotated(q).norm(dim=-1), q.norm(dim=-1), rtol=1e-6, atol=1e-6)


def test_a_convolution_sees_as_far_as_it_says(perturbed):
    net = perturbed(TokenCNN(2, width=8, kernel=3, dilations=(1, 4)))
    x = torch.zeros(1, 31, dtype=torch.int64)
    y = x.clone()
    y[0, 15] = 1
    moved = (net(x, torch.zeros(1)) - net(y, torch.zeros(1)))[0].abs().amax(1) > 0
    seen = moved.nonzero()[:, 0]
    assert (seen.min(), seen.max()) == (10, 20)


def test_a_convolution_beside_attention_is_a_matrix_of_neighbours():
    """Told apart from attention by a row alone: h + W h, with W of three diagonals for every coordinate."""
    net = TokenTransformer(2, width=4, depth=1, heads=1, kernel=3)
    near, h = net.trunk.blocks[0].near[0], torch.randn(1, 6, 4)
    weight, bias = near.convolution.weight[:, 0], near.convolution.bias
    expected = h + bias
    for shift in (-1, 0, 1):
        for place in range(6):
            if 0 <= place + shift < 6:
                expected[0, place] = expected[0, place] + weight[:, shift + 1] * h[0, place + shift]
    torch.testing.assert_close(near(h), expected)


@every
def test_what_cannot_be_used_is_refused(build):
    net, (x, t) = build(), draws()
    with pytest.raises(InvalidInput, match=r"expected symbols \[B, N\]"):
        net(x[:, None], t)
    with pytest.raises(InvalidInput, match="probabilities of"):
        net(torch.zeros(B, N, 9), t)
    with pytest.raises(InvalidInput, match="one time per row"):
        net(x, t[:, None])
    with pytest.raises(Incompatible, match="without a condition"):
        net(x, t, torch.arange(B))
    with pytest.raises(InvalidInput, match="width=0, expected at least 1"):
        build(width=0)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInput, match="even number of coordinates a head"):
        TokenTransformer(4, width=12, heads=4)
    for net in (TokenCNN, TokenTransformer):
        with pytest.raises(InvalidInput, match="odd number"):
            net(4, kernel=4)
    with pytest.raises(InvalidInput, match="dilations=0"):
        TokenCNN(4, dilations=())
    for net in (TokenTransformer, TokenCNN):
        with pytest.raises(InvalidInput, match="at least two symbols"):
            net(1)
    assert TokenEmbedding(4, 8)(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1)).shape == (1, 2, 8)
