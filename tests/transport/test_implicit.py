import pytest
import torch

from pushforward.transport import entropic_ot, sinkhorn, squared_euclidean


def problem(n, m, gen):
    cost = torch.rand(n, m, dtype=torch.float64, generator=gen)
    a, b = (0.2 + torch.rand(k, dtype=torch.float64, generator=gen) for k in (n, m))
    return cost.requires_grad_(), a.requires_grad_(), b.requires_grad_()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 3)])
@pytest.mark.parametrize("part", ["plan", "f", "g", "value"])
def test_against_finite_differences(shape, part, gen):
    def result(cost, a, b):
        found = entropic_ot(cost, 0.2, a / a.sum(), b / b.sum(), tolerance=1e-14, max_iterations=2000)
        return getattr(found, part)

    assert torch.autograd.gradcheck(result, problem(*shape, gen))


def test_batches(gen):
    cost = torch.rand(2, 3, 4, dtype=torch.float64, generator=gen).requires_grad_()

    def result(cost):
        found = entropic_ot(cost, 0.3, tolerance=1e-14, max_iterations=2000)
        return found.plan, found.f, found.value

    assert torch.autograd.gradcheck(result, (cost,))


def test_equals_unrolled_iterations(gen):
    # the sheet of Sinkhorn layers: n = 6, temperature 0.3, marginals of one sixth, 2000 sweeps
    cost = torch.rand(6, 6, dtype=torch.float64, generator=gen).requires_grad_()
    target = torch.rand(6, 6, dtype=torch.float64, generator=gen)
    f, g = torch.zeros(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    for _ in range(2000):
        f = -(g - cost / 0.3).logsumexp(1) - torch.tensor(6.0).double().log()
        g = -(f[:, None] - cost / 0.3).logsumexp(0) - torch.tensor(6.0).double().log()
    unrolled = (((f[:, None] + g - cost / 0.3).exp() - target) ** 2).sum()
    (slow,) = torch.autograd.grad(unrolled, cost)
    (fast,) = torch.autograd.grad(((sinkhorn(cost, 0.3, tolerance=1e-15) - target) ** 2).sum(), cost)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)
    # what a row or a column costs anyway changes no plan
    torch.testing.assert_close(fast.sum(0), torch.zeros(6).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(fast.sum(1), torch.zeros(6).double(), rtol=0, atol=1e-12)


def test_the_envelope_is_plan_and_potentials(gen):
    cost, a, b = problem(6, 4, gen)
    with torch.no_grad():
        a, b = a / a.sum(), b / b.sum()
    found = entropic_ot(cost, 0.1, a.requires_grad_(), b.requires_grad_(), tolerance=1e-12)
    d_cost, d_a = torch.autograd.grad(found.value, (cost, a))
    torch.testing.assert_close(d_cost, found.plan, rtol=0, atol=1e-11)
    torch.testing.assert_close(d_a - d_a.mean(), found.f - found.f.mean(), rtol=0, atol=1e-10)


def test_weights_of_zero(gen):
    cost = torch.rand(4, 3, dtype=torch.float64, generator=gen).requires_grad_()
    a = torch.tensor([0.5, 0.0, 0.3, 0.2], dtype=torch.float64)

    def result(cost):
        found = entropic_ot(cost, 0.2, a, tolerance=1e-14, max_iterations=2000)
        return found.plan, found.f

    assert torch.autograd.gradcheck(result, (cost,))


def test_next_to_a_permutation_nothing_moves(gen):
    # every pair is alone in its row and column to e^-100: the adjoint system is singular and the plan's gradient 0
    x = torch.arange(5, dtype=torch.float64)
    cost = squared_euclidean(x, x + 0.01).requires_grad_()
    plan = sinkhorn(cost, 0.01)
    (slope,) = torch.autograd.grad((plan * torch.rand(5, 5, generator=gen)).sum(), cost)
    assert slope.abs().max() < 1e-6


def test_no_graph_is_built_unasked(gen):
    assert not entropic_ot(torch.rand(3, 3, generator=gen), 0.1).plan.requires_grad
    with torch.no_grad():
        assert not sinkhorn(torch.rand(3, 3, generator=gen).requires_grad_(), 0.1).requires_grad
