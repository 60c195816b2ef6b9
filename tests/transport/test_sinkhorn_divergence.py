import importlib
import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import _scaling, entropic_ot, sinkhorn_divergence, squared_euclidean

module = importlib.import_module("pushforward.transport.sinkhorn_divergence")


def clouds(n, m, gen, d=2):
    return (torch.randn(k, d, dtype=torch.float64, generator=gen) + k for k in (n, m))


@pytest.fixture
def blocks(monkeypatch):
    """Nothing is held, and a block is two rows."""
    monkeypatch.setattr(module, "_PAIRS", 0)
    monkeypatch.setattr(_scaling, "_BLOCK", 20)


def test_gaussians_in_closed_form():
    # N(0, 1) to N(0.7, 1.5^2), half-square cost, eps = 0.5: 0.368303; the square cost is twice that at twice eps
    grid = torch.linspace(-9, 9, 201, dtype=torch.float64)
    a, b = (torch.exp(-((grid - m) ** 2) / (2 * s**2)) for m, s in ((0, 1), (0.7, 1.5)))
    value = sinkhorn_divergence(grid, grid, 1.0, a / a.sum(), b / b.sum(), tolerance=1e-9)
    assert value.item() / 2 == pytest.approx(0.368303, abs=5e-6)


def test_equal_clouds_are_at_zero_exactly(gen):
    x, y = clouds(20, 15, gen)
    assert sinkhorn_divergence(x, x, 0.1).item() == 0.0
    assert sinkhorn_divergence(x.float(), x.float(), 0.01, relative=True).item() == 0.0
    assert sinkhorn_divergence(x, y, 0.1).item() > 0


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 50.0])
def test_translation_costs_its_square(epsilon, gen):
    # moving both potentials by a linear function moves the cloud: S(x, x + c) = |c|^2 for every epsilon
    x, _ = clouds(30, 1, gen)
    c = torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert sinkhorn_divergence(x, x + c, epsilon, tolerance=1e-9).item() == pytest.approx(5, rel=1e-8)


def test_large_epsilon_sees_the_means_alone(gen):
    x, y = clouds(12, 20, gen)
    gap = (x.mean(0) - y.mean(0)).square().sum().item()
    assert sinkhorn_divergence(x, 3 * y, 1e9, tolerance=1e-13).item() == pytest.approx(
        (x.mean(0) - 3 * y.mean(0)).square().sum().item(), rel=1e-5
    )
    assert sinkhorn_divergence(x, y, 1e8, tolerance=1e-13).item() == pytest.approx(gap, rel=1e-5)


def test_is_the_three_values(gen):
    x, y = clouds(9, 7, gen)
    terms = [entropic_ot(squared_euclidean(*pair), 0.3).value.item() for pair in ((x, y), (x, x), (y, y))]
    assert sinkhorn_divergence(x, y, 0.3).item() == pytest.approx(terms[0] - (terms[1] + terms[2]) / 2, rel=1e-12)


def test_gradients(gen):
    x, y = (z.requires_grad_() for z in clouds(5, 4, gen))
    a = (0.3 + torch.rand(5, dtype=torch.float64, generator=gen)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, y, a: sinkhorn_divergence(x, y, 0.5, a / a.sum(), tolerance=1e-13), (x, y, a)
    )


def test_gradients_in_blocks(gen, blocks):
    x, y = (z.requires_grad_() for z in clouds(5, 4, gen))
    a = (0.3 + torch.rand(5, dtype=torch.float64, generator=gen)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, y, a: sinkhorn_divergence(x, y, 0.5, a / a.sum(), tolerance=1e-13), (x, y, a)
    )


@pytest.mark.parametrize("relative", [True, False])
def test_blocks_change_nothing(relative, gen, request):
    x, y = clouds(33, 21, gen, d=3)
    whole = sinkhorn_divergence(x, y, 0.2, relative=relative, tolerance=1e-9)
    request.getfixturevalue("blocks")
    torch.testing.assert_close(
        sinkhorn_divergence(x, y, 0.2, relative=relative, tolerance=1e-9), whole, rtol=1e-9, atol=1e-9
    )
    assert sinkhorn_divergence(x, x, 0.2).item() == 0.0


def test_other_costs(gen):
    x, y = clouds(10, 10, gen)
    value = sinkhorn_divergence(x, y, 0.5, cost=torch.cdist)
    assert 0 < value.item() <= (x.mean(0) - y.mean(0)).norm().item() + 3


def test_blocks_raise_where_they_have_not_converged(gen, blocks, monkeypatch):
    monkeypatch.setattr(module, "_ITERATIONS", 3)
    with pytest.raises(InvalidInput, match="after 3 iterations"):
        sinkhorn_divergence(*clouds(9, 9, gen), 1e-3)
    assert math.isfinite(sinkhorn_divergence(*clouds(9, 9, gen), 1e6).item())


def test_own_plans_need_no_patience(gen):
    # next to the identity, where scaling in turns is 10^4 iterations away from the tolerance
    x = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    cost = squared_euclidean(x, x)
    a = torch.full((50,), 1 / 50, dtype=torch.float64)
    for epsilon in (1e-4, 1e-3, 1e-2, 1.0):
        source = _scaling.Dense(cost, torch.tensor(epsilon, dtype=torch.float64))
        found = _scaling.scale_symmetric(source, a, tolerance=1e-10, max_iterations=60)
        assert found.error <= 1e-10
        assert found.iterations <= 40


@pytest.mark.parametrize("held", [True, False])
def test_padding_of_no_weight_changes_nothing(held, gen, monkeypatch):
    # far from everything, so that the kernel between the padding and the rest vanishes and overflows
    x, y = clouds(6, 5, gen)
    far = torch.tensor([[1e3, 0.0]], dtype=torch.float64)
    padded = torch.cat([x, far]).requires_grad_(), torch.cat([y, -5 * far])
    a, b = (torch.cat([torch.full((k,), 1 / k), torch.zeros(1)]).double() for k in (6, 5))
    monkeypatch.setattr(module, "_PAIRS", 1 << 23 if held else 0)
    x.requires_grad_()
    plain = sinkhorn_divergence(x, y, 0.1, tolerance=1e-10)
    found = sinkhorn_divergence(*padded, 0.1, a, b, tolerance=1e-10)
    torch.testing.assert_close(found, plain, rtol=1e-8, atol=0)
    (slope,), (wanted,) = torch.autograd.grad(found, padded[0]), torch.autograd.grad(plain, x)
    torch.testing.assert_close(slope[:6], wanted, rtol=0, atol=1e-7)
    torch.testing.assert_close(slope[6], torch.zeros(2).double(), rtol=0, atol=1e-7)
