import pytest
import torch
from torch import nn

from pushforward.core import jvp
from pushforward.nets import SELU

EDGES = torch.tensor([-100.0, -1.0, -1e-4, -1e-8, 0.0, 1e-8, 1.0, 1e4, float("inf"), -float("inf")])


def draws(*shape, dtype=torch.float32):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("shape", [(), (7,), (256, 64), (3000, 64), (2, 70000)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("grad", [True, False])
def test_equals_torch_to_float_rounding(shape, dtype, grad):
    x = draws(*shape, dtype=dtype)
    with torch.set_grad_enabled(grad):
        y = SELU()(x.clone())
    assert y.dtype == dtype
    torch.testing.assert_close(y, nn.functional.selu(x), rtol=2e-7, atol=2e-7)


def test_edges_and_small_positive_numbers_are_exact():
    with torch.no_grad():
        y = SELU()(EDGES.clone())
    expected = nn.functional.selu(EDGES)
    torch.testing.assert_close(y, expected, rtol=2e-7, atol=2e-7)
    assert torch.equal(y[EDGES >= 0], expected[EDGES >= 0])
    with torch.no_grad():
        assert SELU()(torch.tensor([float("nan")])).isnan()


def test_derivatives_of_both_orders_equal_torch():
    """Against nn.SELU, whose backward pass starts from the input instead of the output."""
    results = []
    for activation in (SELU(), nn.SELU()):
        x = draws(50, dtype=torch.float64).requires_grad_()
        (first,) = torch.autograd.grad(activation(1 * x).pow(3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        results.append((first, second))
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def test_gradients_pass_numerical_checks():
    x = draws(20, dtype=torch.float64).requires_grad_()
    f = lambda x: SELU()(1 * x)
    assert torch.autograd.gradcheck(f, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, x)


@pytest.mark.parametrize("grad", [True, False])
def test_forward_mode_and_vmap(grad):
    x, e = draws(4, 5), torch.ones(3, 4, 5)
    with torch.set_grad_enabled(grad):
        slopes = torch.func.vmap(lambda e: jvp(lambda x: SELU()(1 * x), (x,), (e,))[1])(e)
        mapped = torch.func.vmap(lambda row: SELU()(1 * row))(x)
    y = x.clone().requires_grad_()
    nn.functional.selu(y).sum().backward()
    torch.testing.assert_close(slopes, y.grad.expand(3, 4, 5))
    torch.testing.assert_close(mapped, nn.functional.selu(x), rtol=2e-7, atol=2e-7)
