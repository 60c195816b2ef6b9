"""Forward mode and divergences against reverse mode and closed forms."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from pushforward.core import Exact, Hutchinson, HutchPlusPlus, InvalidInput, dual, jvp


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


def low_rank(d, rank, seed=3):
    """A function whose Jacobian has the rank given everywhere, and that Jacobian's trace."""
    g = torch.Generator().manual_seed(seed)
    out, into = (torch.randn(d, rank, dtype=torch.float64, generator=g) for _ in range(2))
    f = lambda x: ((x.flatten(1) @ into).sin() @ out.T).reshape(x.shape)
    return f, lambda x: (x.flatten(1) @ into).cos() @ (out * into).sum(0)


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("event", [(12,), (3, 2, 2)])
def test_hutch_plus_plus_is_exact_up_to_the_rank_of_its_sketch(event, gaussian):
    x = torch.randn(5, *event, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    f, trace = low_rank(12, 3)
    for sketch, exact in ((2, False), (3, True), (5, True), (12, True), (20, True)):
        method = HutchPlusPlus(sketch, 2, gaussian)
        value, found = method(f, x, method.probes(x, generator=torch.Generator().manual_seed(2)))
        torch.testing.assert_close(value, f(x))
        # the sketch J S is turned into a basis to rounding, times its condition number, which is below 1e3 here
        assert torch.allclose(found, trace(x), rtol=0, atol=1e-10) == exact


def test_hutch_plus_plus_is_unbiased_and_its_estimates_are_equally_good():
    f, trace = low_rank(8, 6)
    x = torch.randn(1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).repeat(20_000, 1)
    method = HutchPlusPlus(sketch=2, count=3)
    probes = method.probes(x, generator=torch.Generator().manual_seed(5))
    _, terms = method.estimates(f, x, probes)
    assert terms.shape == (3, 20_000)
    for guess in (*terms, method(f, x, probes)[1]):
        assert abs(guess.mean() - trace(x[:1])) < 4 * guess.std() / math.sqrt(20_000)


def test_hutch_plus_plus_beats_as_many_plain_probes_where_the_spectrum_decays():
    """Products with J: 2 * 4 + 4 = 12 on both sides; J is symmetric positive with eigenvalues 1 / k^2."""
    g = torch.Generator().manual_seed(7)
    basis = torch.linalg.qr(torch.randn(32, 32, dtype=torch.float64, generator=g)).Q
    matrix = basis @ torch.diag(1 / torch.arange(1.0, 33.0, dtype=torch.float64) ** 2) @ basis.T
    x = torch.zeros(2000, 32, dtype=torch.float64)
    errors = {}
    for method in (HutchPlusPlus(4, 4), Hutchinson(12)):
        guess = method(lambda x: x @ matrix, x, method.probes(x, generator=g))[1]
        errors[type(method)] = (guess - matrix.trace()).square().mean().sqrt()
    # what the sketch leaves is less than the largest four of the eigenvalues: their share of the norm is 0.997
    assert errors[HutchPlusPlus] < errors[Hutchinson] / 3


def test_gradients_of_hutch_plus_plus_are_unbiased():
    """Q is a constant for gradients: averaged over the probes they are those of the trace."""
    f, trace = low_rank(6, 4)
    x = torch.randn(1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = x.repeat(20_000, 1).requires_grad_()
    method = HutchPlusPlus(sketch=2, count=1)
    _, found = method(f, rows, method.probes(rows, generator=torch.Generator().manual_seed(5)))
    (guess,) = torch.autograd.grad(found.sum(), rows)
    one = x.clone().requires_grad_()
    (exact,) = torch.autograd.grad(trace(one).sum(), one)
    assert ((guess.mean(0) - exact[0]).abs() < 4.5 * guess.std(0) / math.sqrt(20_000)).all()


def test_a_sketch_of_a_jacobian_without_rank_has_finite_gradients():
    x = torch.zeros(2, 5, requires_grad=True)
    method = HutchPlusPlus()
    value, divergence = method(lambda x: 0.0 * x + 1.0, x, method.probes(x))
    (value.sum() + divergence.sum()).backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros(2, 5))
    with pytest.raises(InvalidInput, match="sketch=0"):
        HutchPlusPlus(sketch=0)


@pytest.mark.parametrize("gaussian", [False, True])
def test_the_variance_of_one_probe_is_the_known_one(gaussian):
    """2 (|S|^2 - sum S_ii^2) for signs, 2 |S|^2 for normal probes, with S the symmetric part; swirls are free."""
    matrix = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    symmetric = (matrix + matrix.T) / 2
    expected = 2 * symmetric.square().sum() - (0 if gaussian else 2 * symmetric.diagonal().square().sum())
    x, method = torch.zeros(200_000, 6, dtype=torch.float64), Hutchinson(gaussian=gaussian)
    _, guess = method(lambda x: x @ matrix.T, x, method.probes(x, generator=torch.Generator().manual_seed(4)))
    square = (guess - matrix.trace()).square()
    assert abs(square.mean() - expected) < 4 * square.std() / math.sqrt(len(x))
    skew = matrix - matrix.T
    _, none = method(lambda x: x @ skew.T, x[:100], method.probes(x[:100]))
    torch.testing.assert_close(none, torch.zeros(100, dtype=torch.float64), rtol=0, atol=1e-12)


class Mixed(nn.Module):
    """Maps with and without bias, called in every way that torch allows, and one whose weight depends on the input."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.bare = nn.Linear(48, 5, bias=False)
        self.last = nn.Linear(5, 4)

    def forward(self, x):
        y = self.bare(functional.silu(self.conv(x)).flatten(1))
        y = functional.linear(y, weight=self.last.weight, bias=self.last.bias)
        return functional.linear(y, y.T @ y, bias=y.sum(0))


def test_dual_numbers_agree_with_forward_mode_and_keep_the_gradient_of_the_value():
    torch.manual_seed(0)
    net, x, dx = Mixed().double(), torch.randn(3, 2, 4, 4).double(), torch.randn(3, 2, 4, 4).double()
    value, change = dual(net, (x,), (dx,))
    expected, derivative = jvp(net, (x,), (dx,))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(change, derivative)
    found = torch.autograd.grad(value.square().sum(), list(net.parameters()))
    torch.testing.assert_close(found, torch.autograd.grad(net(x).square().sum(), list(net.parameters())))


def test_states_of_several_tensors_have_derivatives_along_states():
    """Also those whose memory `expand` shares, which forward mode itself refuses."""
    x, u = {"a": torch.ones(1, 2).expand(3, 2), "b": torch.full((3,), 2.0)}, {"a": torch.ones(3, 2), "b": torch.ones(3)}
    value, change = jvp(lambda x: {"c": x["a"] * x["b"][:, None] ** 2}, (x,), (u,))
    torch.testing.assert_close(value["c"], torch.full((3, 2), 4.0))
    torch.testing.assert_close(change["c"], torch.full((3, 2), 8.0))
