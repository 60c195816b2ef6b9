"""Forward mode and divergences against reverse mode and closed forms."""

import math

import pytest
import torch
from torch import nn

from pushforward.core import Exact, Hutchinson, InvalidInput, jvp


def swirl(x):
    return torch.stack([x[..., 0] ** 2 * x[..., 1], x[..., 1].sin() + x[..., 0]], -1)


def rows(n=6, dtype=torch.float64):
    return torch.randn(n, 2, dtype=dtype, generator=torch.Generator().manual_seed(0))


def test_forward_mode_is_reverse_mode():
    x, v = rows(), rows().flip(0)
    value, change = jvp(swirl, (x,), (v,))
    whole = torch.autograd.functional.jacobian(swirl, x)
    torch.testing.assert_close(value, swirl(x))
    torch.testing.assert_close(change, torch.einsum("bicj,cj->bi", whole, v))


def test_central_difference_is_second_order():
    x, v = rows(), rows().flip(0)
    _, exact = jvp(swirl, (x,), (v,))
    errors = [(jvp(swirl, (x,), (v,), difference=h)[1] - exact).abs().max() for h in (1e-2, 1e-3)]
    assert 1.9 < math.log10(errors[0] / errors[1]) < 2.1


def test_expanded_times_get_memory_of_their_own():
    t = torch.tensor(0.5).expand(4)
    _, change = jvp(lambda t: t**2, (t,), (torch.ones(()).expand(4),))
    torch.testing.assert_close(change, torch.ones(4))


def test_forward_mode_goes_through_attention():
    f = lambda x: nn.functional.scaled_dot_product_attention(x, x, x)
    x = torch.randn(2, 2, 5, 8, dtype=torch.float64)
    _, change = jvp(f, (x,), (torch.ones_like(x),))
    _, quotient = jvp(f, (x,), (torch.ones_like(x),), difference=1e-5)
    torch.testing.assert_close(change, quotient, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("event", [(2,), (1, 2, 3)])
def test_exact_divergence_is_the_trace_of_the_jacobian(event):
    d = math.prod(event)
    g = torch.Generator().manual_seed(1)
    matrix = torch.randn(d, d, dtype=torch.float64, generator=g)
    f = lambda x: (x.flatten(1).sin() @ matrix.T).reshape(x.shape)
    x = torch.randn(5, *event, dtype=torch.float64, generator=g)
    value, divergence = Exact()(f, x, Exact().probes(x))
    torch.testing.assert_close(value, f(x))
    torch.testing.assert_close(divergence, x.flatten(1).cos() @ matrix.diagonal())


@pytest.mark.parametrize("gaussian", [False, True])
def test_hutchinson_is_unbiased_with_its_own_standard_error(gaussian):
    g = torch.Generator().manual_seed(2)
    x = rows(1).repeat(20_000, 1)
    method = Hutchinson(gaussian=gaussian)
    _, guess = method(swirl, x, method.probes(x, generator=g))
    exact = 2 * x[0, 0] * x[0, 1] + x[0, 1].cos()
    assert abs(guess.mean() - exact) < 4 * guess.std() / math.sqrt(20_000)


def test_more_probes_average():
    x = rows(3)
    method = Hutchinson(count=4)
    probes = method.probes(x, generator=torch.Generator().manual_seed(0))
    assert set(probes.unique().tolist()) == {-1.0, 1.0}
    single = [Hutchinson()(swirl, x, probes[k : k + 1])[1] for k in range(4)]
    torch.testing.assert_close(method(swirl, x, probes)[1], torch.stack(single).mean(0))
    with pytest.raises(InvalidInput, match="probe"):
        Hutchinson(count=0)


def test_divergence_can_be_trained_through():
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    x = rows()
    _, divergence = Exact()(net, x, Exact().probes(x))
    divergence.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net[0].parameters())


def test_the_value_is_computed_once_for_all_directions():
    calls = []

    def f(x):
        calls.append(1)
        return x * 2

    x = torch.zeros(3, 7)
    Exact()(f, x, Exact().probes(x))
    assert len(calls) == 1
