"""Fenchel-Young gaps, and Gaussian rounds in closed form."""

from itertools import pairwise

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, jvp
from pushforward.nets import MLP
from pushforward.objectives import CRectifiedFlow, Power, Quadratic
from pushforward.paths import Affine, Cosine
from pushforward.solvers import RK4, solve

F64 = torch.float64
Q = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=F64)
COSTS = {"half a square": Quadratic(), "a metric": Quadratic(Q), "p = 3": Power(3.0), "p = 1.5": Power(1.5)}
every = pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)


def draws(b=50, d=2, seed=0):
    return torch.randn(b, d, generator=torch.Generator().manual_seed(seed), dtype=F64)


@every
def test_a_cost_and_its_conjugate_meet_at_their_slopes(cost):
    """c(z) + c*(y) >= <y, z>, with equality where z is the slope of c* at y, and y that of c at z."""
    y, other = draws(), draws(seed=1)
    z = cost.slope(y)
    inner = lambda a, b: (a * b).sum(1)
    torch.testing.assert_close(cost.value(z) + cost.conjugate(y), inner(y, z))
    assert (cost.value(other) + cost.conjugate(y) >= inner(y, other) - 1e-12).all()
    _, change = jvp(cost.conjugate, (y,), (other,))
    torch.testing.assert_close(change, inner(z, other))


def test_images_are_flattened():
    y = draws(8, 4).reshape(8, 1, 2, 2)
    metric = torch.eye(4, dtype=F64) * 3
    assert Quadratic(metric).slope(y).shape == y.shape
    torch.testing.assert_close(Quadratic(metric).value(y), 1.5 * y.square().sum((1, 2, 3)))


@every
def test_the_loss_vanishes_only_where_the_velocity_is_the_displacement(cost):
    """All pairs move by one vector m: f(x) = <x, y>, y the slope of c at m."""
    y = torch.tensor([0.7, -0.4], dtype=F64)
    move = cost.slope(y[None])[0]
    x0 = draws()
    objective, batch = CRectifiedFlow(cost), Pairs((x0, x0 + move))
    net = lambda x, t, cond: x @ y
    assert float(objective(net, batch).value) == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(objective.field(net)(x0, torch.zeros(50, dtype=F64)), move.expand(50, 2))
    assert float(objective(lambda x, t, cond: x @ (1.1 * y), batch).value) > 1e-4


def test_half_a_square_is_the_flow_matching_loss():
    torch.manual_seed(0)
    net = MLP((2,), activation="silu").double()
    batch = Pairs((draws(), draws(seed=1)))
    objective = CRectifiedFlow()
    t = objective.draw(50, batch.x0, generator=torch.Generator().manual_seed(3))
    x = torch.lerp(batch.x0, batch.x1, t[:, None])
    gap = objective.field(net)(x, t) - (batch.x1 - batch.x0)
    loss = objective(net, batch, generator=torch.Generator().manual_seed(3)).value
    torch.testing.assert_close(loss, gap.square().sum(1).mean() / 2)
    loss.backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for n, p in net.named_parameters() if n[:10] != "rest.5.bia"
    )


S0 = torch.tensor([[1.0, 0.5], [0.5, 1.5]], dtype=F64)
S1 = torch.tensor([[1.2, -0.5], [-0.5, 0.8]], dtype=F64)


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ values.sqrt().diag() @ vectors.T


def optimal():
    half = root(S0)
    return torch.linalg.solve(half, torch.linalg.solve(half, root(half @ S1 @ half)).T).T


def moments(A, t):
    """C_t and E[(x1 - x0) x_t^T] of the pairs (x0, A x0); A = None draws x1 on its own."""
    if A is None:
        return (1 - t) ** 2 * S0 + t**2 * S1, t * S1 - (1 - t) * S0
    B = (1 - t) * torch.eye(2, dtype=F64) + t * A
    return B @ S0 @ B.T, (A - torch.eye(2, dtype=F64)) @ S0 @ B.T


def symmetric(A, t):
    """The best gradient field x -> M x: M C + C M = K + K^T, the condition of stationarity over symmetric M."""
    C, K = moments(A, t)
    values, vectors = torch.linalg.eigh(C)
    right = vectors.T @ (K + K.T) @ vectors
    return vectors @ (right / (values[:, None] + values)) @ vectors.T


def follow(field, steps=50):
    """The matrix of a linear flow; RK4 errs by about 1e-8 here."""
    times = torch.linspace(0, 1, steps + 1, dtype=F64)
    return solve(field, torch.eye(2, dtype=F64), times, solver=RK4()).x.T


def rectified(A):
    """The map of one round, along our field."""

    def potential(x, t, cond):
        return torch.einsum("bi,ij,bj->b", x, symmetric(A, float(t[0])), x) / 2

    return follow(CRectifiedFlow().field(potential))


def plain(A):
    """That of rectified flow, whose field is free: x -> K C^-1 x."""

    def field(x, t, cond=None):
        C, K = moments(A, float(t[0]))
        return x @ torch.linalg.solve(C, K.T)

    return follow(field)


def cost(A):
    """E |A x0 - x0|^2 / 2."""
    B = A - torch.eye(2, dtype=F64)
    return float((B @ S0 @ B.T).trace()) / 2


def test_the_best_symmetric_field_is_stationary():
    """The slope of the loss in every symmetric direction vanishes in expectation: over the four points x = +-L e_i, +-
    that have the pairs' second moments exactly."""
    A, t = optimal() @ torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=F64), 0.3
    L = torch.linalg.cholesky(S0) * 2**0.5
    x0 = torch.cat([L.T, -L.T])
    batch = Pairs((x0, x0 @ A.T))

    class At:
        def quantile(self, q):
            return torch.full_like(q, t)

        def density(self, t):
            raise AssertionError

    M = symmetric(A, t).requires_grad_()
    loss = CRectifiedFlow(times=At())(lambda x, t, cond: torch.einsum("bi,ij,bj->b", x, (M + M.T) / 2, x) / 2, batch)
    (slope,) = torch.autograd.grad(loss.value, M)
    assert slope.abs().max() < 1e-14


def test_rounds_end_at_the_optimal_map_and_plain_rounds_do_not():
    """Every round takes one eleventh of the error; a rectified flow of a Gaussian is a fixed point at once."""
    best, A, B, errors, costs = optimal(), None, None, [], []
    for _ in range(3):
        A, B = rectified(A), plain(B)
        torch.testing.assert_close(A @ S0 @ A.T, S1, rtol=0, atol=1e-7)  # the marginal stays
        torch.testing.assert_close(B @ S0 @ B.T, S1, rtol=0, atol=1e-7)
        errors.append(float((A - best).norm()))
        costs.append(cost(A))
        assert float((B - best).norm()) == pytest.approx(0.0142, abs=1e-4)
    rates = [b / a for a, b in pairwise(errors)]
    assert errors[0] == pytest.approx(1.28e-3, rel=0.01)
    assert rates == pytest.approx([0.09, 0.09], abs=0.003)
    assert costs[0] > costs[1] > cost(best)
    assert costs[2] == pytest.approx(cost(best), abs=1e-7)
    assert cost(plain(None)) > cost(best) + 1e-4


def test_rotations_are_undone():
    """x1 = R x0 on N(0, I): C_t = c I, the best symmetric M is c' / (2 c) I, whose flow is the identity at t = 1; the
    free field leaves R as it is."""
    R = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=F64)
    eye = torch.eye(2, dtype=F64)

    def potential(x, t, cond):
        s = t[:, None]
        return ((2 * s - 1) / ((1 - s) ** 2 + s**2) * x.square()).sum(1) / 2

    def free(x, t, cond=None):
        return torch.linalg.solve((1 - t[0]) * eye + t[0] * R, x.T).T @ (R - eye).T

    torch.testing.assert_close(follow(CRectifiedFlow().field(potential)), eye, rtol=0, atol=1e-6)
    torch.testing.assert_close(follow(free), R, rtol=0, atol=1e-6)


def test_likelihoods_pass_through_the_gradient():
    """Forward over reverse mode: the divergence of a potential is its Laplacian."""
    from pushforward.core import Exact

    field, x = CRectifiedFlow().field(lambda x, t, cond: (x**4).sum(1)), draws(5)
    exact = Exact()
    with torch.no_grad():
        _, divergence = exact(lambda x: field(x, torch.zeros(5, dtype=F64)), x, exact.probes(x))
    torch.testing.assert_close(divergence, 12 * x.square().sum(1))


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: CRectifiedFlow(path=Affine(Cosine())), Incompatible, "straight lines"),
        (lambda: CRectifiedFlow(cond_drop=-1.0), InvalidInput, "probability"),
        (lambda: Power(1.0), InvalidInput, "p is 1.0"),
        (lambda: Power(floor=0.0), InvalidInput, "floor is 0.0"),
        (lambda: Quadratic(torch.zeros(2, 3)), InvalidInput, r"expected \[d, d\]"),
        (lambda: Quadratic(-torch.eye(2)), InvalidInput, "not symmetric and positive definite"),
    ],
)
def test_refusals(build, error, match):
    with pytest.raises(error, match=match):
        build()
