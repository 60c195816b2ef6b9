import itertools

import numpy as np
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import entropic_ot, sinkhorn_newton_sparse, squared_euclidean
from pushforward.transport._scaling import Dense, scale
from pushforward.transport.sinkhorn_newton_sparse import newton_steps


def uniform(n, m, gen):
    return torch.rand(n, m, dtype=torch.float64, generator=gen)


def ascent(cost, epsilon, per_row):
    a, b = (torch.full((k,), 1 / k, dtype=torch.float64) for k in cost.shape)
    source = Dense(cost, torch.tensor(epsilon, dtype=torch.float64))
    start = scale(source, a, b, tolerance=1e-15, max_iterations=20, fastest=1.0)
    numbers = (z.numpy() for z in (source.energy, a, b, start.f, start.g))
    return list(newton_steps(*numbers, per_row=per_row))


@pytest.mark.parametrize("shape", [(60, 60), (30, 50), (50, 30)])
@pytest.mark.parametrize("epsilon", [0.1, 0.01])
def test_same_plan_as_scaling(shape, epsilon, gen):
    cost = uniform(*shape, gen)
    a = 0.2 + torch.rand(shape[0], dtype=torch.float64, generator=gen)
    sparse = sinkhorn_newton_sparse(cost, epsilon, a / a.sum(), tolerance=1e-12)
    other = entropic_ot(cost, epsilon, a / a.sum(), tolerance=1e-12, max_iterations=20000)
    torch.testing.assert_close(sparse.plan, other.plan, rtol=0, atol=1e-10)
    torch.testing.assert_close(sparse.value, other.value, rtol=0, atol=1e-11)
    torch.testing.assert_close(sparse.f, other.f, rtol=0, atol=1e-7)


def test_the_whole_hessian_converges_quadratically(gen):
    errors = [step.error for step in ascent(squared_euclidean(*torch.randn(2, 40, 2, generator=gen).double()), 0.1, 40)]
    tail = [e for e in errors if 1e-9 < e < 2e-4]
    assert len(tail) >= 2
    assert all(b < 1000 * a**2 for a, b in itertools.pairwise([*tail, errors[errors.index(tail[-1]) + 1]]))


@pytest.mark.parametrize("per_row", [2, 5, 15])
def test_every_step_climbs(per_row, gen):
    duals = [step.dual for step in ascent(uniform(60, 60, gen), 1 / 300, per_row)]
    assert len(duals) > 4
    assert all(b >= a - 1e-14 for a, b in itertools.pairwise(duals))
    assert duals[-1] > duals[0]


def test_published_order_of_steps(gen):
    # uniform costs, n = 200, eta = 300, 20 sweeps: about 40 steps to 1e-12 with 2 entries a row, 10 with 5, 5 with 15
    cost = uniform(200, 200, gen)
    steps = [next(i for i, s in enumerate(ascent(cost, 1 / 300, k)) if s.error <= 1e-12) for k in (2, 5, 15)]
    assert steps[0] > 2 * steps[1] > 2 * steps[2]
    assert steps[2] <= 10


def test_a_constant_moved_from_f_to_g_leaves_the_plan(gen):
    cost = uniform(20, 20, gen).numpy()
    a, f, g = np.full(20, 1 / 20), np.zeros(20), np.zeros(20)
    plain, moved = (next(newton_steps(-cost, a, a, f + s, g - s, per_row=20)) for s in (0.0, 3.0))
    np.testing.assert_allclose(moved.plan, plain.plan, rtol=1e-13)


def test_refusals(gen):
    cost = uniform(5, 5, gen)
    with pytest.raises(InvalidInput, match="epsilon is 0"):
        sinkhorn_newton_sparse(cost, 0.0)
    with pytest.raises(InvalidInput, match="per_row 1"):
        sinkhorn_newton_sparse(cost, 0.1, per_row=1)
    with pytest.raises(InvalidInput, match="weights of 0"):
        sinkhorn_newton_sparse(cost, 0.1, torch.tensor([0.5, 0.5, 0, 0, 0]))
    with pytest.raises(InvalidInput, match="still"):
        sinkhorn_newton_sparse(cost, 0.1, tolerance=1e-30)
    with pytest.raises(InvalidInput, match="not finite"):
        sinkhorn_newton_sparse(cost * torch.nan, 0.1)


def test_whole_numbers_and_negative_units(gen):
    whole = torch.tensor([[0, 1], [1, 0]])
    torch.testing.assert_close(sinkhorn_newton_sparse(whole, 1.0).plan, sinkhorn_newton_sparse(whole.float(), 1.0).plan)
    with pytest.raises(InvalidInput, match="mean cost is negative"):
        sinkhorn_newton_sparse(-uniform(5, 5, gen), 0.1, relative=True)
