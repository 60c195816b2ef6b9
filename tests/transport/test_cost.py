import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import CosineDistance, Cost, Hamming, PNorm, SquaredEuclidean, squared_euclidean


@pytest.mark.parametrize("event", [(), (1,), (2,), (3, 4, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_direct_sum(event, dtype, gen):
    x = torch.randn(7, *event, dtype=dtype, generator=gen)
    y = torch.randn(5, *event, dtype=dtype, generator=gen)
    cost = squared_euclidean(x, y)
    direct = (x.reshape(7, 1, -1) - y.reshape(1, 5, -1)).square().sum(-1)
    assert cost.dtype == dtype
    torch.testing.assert_close(cost, direct, rtol=100 * torch.finfo(dtype).eps, atol=100 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0])
def test_keeps_its_digits_far_from_the_origin(offset, gen):
    x, y = torch.randn(64, 2, generator=gen), torch.randn(64, 2, generator=gen)
    moved = (x + offset), (y + offset)
    exact = torch.cdist(moved[0].double(), moved[1].double()).square()
    error = (squared_euclidean(*moved) - exact).abs().max() / exact.mean()
    # the centre is rounded to eps * offset, a shift of both clouds that costs nothing; what is left are the roundings
    # of a product of numbers of size 5 at most
    assert error < 50 * torch.finfo(torch.float32).eps


def test_is_never_negative(gen):
    x = torch.randn(50, 300, generator=gen)
    cost = squared_euclidean(x, x)
    assert cost.min() >= 0
    assert cost.diagonal().max() < 1e-5 * cost.mean()


def test_half_precision_counts_as_single(gen):
    x = torch.randn(5, 2, generator=gen).bfloat16()
    cost = squared_euclidean(x, x)
    assert cost.dtype == torch.float32
    torch.testing.assert_close(cost, torch.cdist(x.float(), x.float()).square(), rtol=1e-5, atol=1e-5)


def test_refuses_rows_of_different_shapes():
    with pytest.raises(InvalidInput, match=r"\[3, 2\] and \[3, 4\]"):
        squared_euclidean(torch.zeros(3, 2), torch.zeros(3, 4))


PARTS = {
    "squared": SquaredEuclidean(),
    "l1": PNorm(1),
    "l2": PNorm(2),
    "l3 cubed": PNorm(3, power=3),
    "largest": PNorm(math.inf),
    "cosine": CosineDistance(),
}
DIRECT = {
    "squared": lambda x, y: (x - y).square().sum(-1),
    "l1": lambda x, y: (x - y).abs().sum(-1),
    "l2": lambda x, y: (x - y).square().sum(-1).sqrt(),
    "l3 cubed": lambda x, y: (x - y).abs().pow(3).sum(-1),
    "largest": lambda x, y: (x - y).abs().amax(-1),
    "cosine": lambda x, y: 1 - torch.cosine_similarity(x, y, dim=-1),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("event", [(), (2,), (3, 5, 4)])
def test_parts_equal_their_formula(name, event, gen):
    x, y = (torch.randn(n, *event, generator=gen).double() for n in (7, 5))
    assert isinstance(PARTS[name], Cost)
    direct = DIRECT[name](x.reshape(7, 1, -1), y.reshape(1, 5, -1))
    torch.testing.assert_close(PARTS[name](x, y), direct, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(PARTS[name](y, x), direct.T, rtol=1e-12, atol=1e-12)  # all say that they are symmetric


@pytest.mark.parametrize("name", PARTS)
def test_a_mapping_is_the_concatenation_of_its_leaves(name, gen):
    x, y = (torch.randn(n, 5, generator=gen) for n in (6, 4))
    split = {"a": x[:, :3].reshape(6, 3, 1), "b": x[:, 3:]}, {"b": y[:, 3:], "a": y[:, :3].reshape(4, 3, 1)}
    torch.testing.assert_close(PARTS[name](*split), PARTS[name](x, y))


@pytest.mark.parametrize("name", PARTS)
def test_parts_refuse_what_has_no_distance(name):
    for x, y in ((torch.zeros(3, 2).long(), torch.zeros(3, 2)), ({"a": torch.zeros(3)}, torch.zeros(3))):
        with pytest.raises(InvalidInput, match="same keys"):
            PARTS[name](x, y)
    with pytest.raises(InvalidInput, match=r"\[2, 3\] and \[2, 4\] cannot be compared"):
        PARTS[name](torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(InvalidInput, match="cannot be compared"):
        PARTS[name](torch.zeros(0, 3), torch.zeros(2, 3))


def test_a_norm_is_one(gen):
    x, y, z = (torch.randn(20, 40, generator=gen).double() for _ in range(3))
    for p in (1, 1.5, 2, math.inf):
        cost = PNorm(p)
        torch.testing.assert_close(cost(3 * x, 3 * y), 3 * cost(x, y))
        assert (cost(x, z).diagonal() <= cost(x, y).diagonal() + cost(y, z).diagonal() + 1e-12).all()
    with pytest.raises(InvalidInput, match="power is 0"):
        PNorm(power=0.0)


def test_the_angle_knows_no_length_and_a_zero_vector_none_but_itself():
    x = torch.tensor([[0.0, 0.0], [1e-30, 0.0], [1e30, 1e30]])
    expected = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1 - 0.5**0.5], [1.0, 1 - 0.5**0.5, 0.0]])
    torch.testing.assert_close(CosineDistance()(x, x), expected, rtol=0, atol=2e-7)


def test_symbols_cost_the_positions_at_which_they_differ(gen):
    x, y = torch.randint(4, (6, 2, 3), generator=gen), torch.randint(4, (5, 2, 3), generator=gen)
    cost = Hamming()(x, y)
    assert cost.tolist() == [[float((a != b).sum()) for b in y] for a in x]
    parts = [{"a": z[:, 0], "b": z[:, 1]} for z in (x, y)]
    assert torch.equal(Hamming()(*parts), cost)
    for wrong in (x.float(), torch.randint(4, (5, 6), generator=gen)):
        with pytest.raises(InvalidInput, match="Hamming compares symbols of one shape"):
            Hamming()(x, wrong)
