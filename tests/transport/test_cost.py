import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import squared_euclidean


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
