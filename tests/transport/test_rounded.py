import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import entropic_ot, rounded, squared_euclidean

EPS = torch.finfo(torch.float64).eps


def masses(n, gen, total=1.0):
    w = torch.rand(n, dtype=torch.float64, generator=gen)
    return total * w / w.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (30, 50)])
@pytest.mark.parametrize("mass", [0.0, 0.3, 1.0, 4.0])
def test_marginals_are_exact_and_little_is_moved(shape, mass, gen):
    n, m = shape
    plan = mass * masses(n * m, gen).reshape(n, m)
    a, b = masses(n, gen, 2.0), masses(m, gen, 2.0)
    if n > 1:
        a[0], a[1] = 0.0, a[0] + a[1]
        plan[2] = 0.0
    found = rounded(plan, a, b)
    assert (found >= 0).all()
    # sums of n and m terms whose total is 2
    assert (found.sum(1) - a).abs().max() <= 2 * (n + m) * EPS
    assert (found.sum(0) - b).abs().max() <= 2 * (n + m) * EPS
    off = (plan.sum(1) - a).abs().sum() + (plan.sum(0) - b).abs().sum()
    assert (found - plan).abs().sum() <= 2 * off + 4 * (n + m) * EPS


def test_a_plan_with_these_marginals_stays(gen):
    a, b = masses(7, gen), masses(9, gen)
    plan = a[:, None] * b
    torch.testing.assert_close(rounded(plan, a, b), plan, rtol=16 * EPS, atol=0)
    assert rounded(plan.float(), a, b).dtype == torch.float32


@pytest.mark.parametrize("strength", [0.2, 0.02])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-9])
def test_the_gap_to_the_dual_of_the_linear_program(strength, tolerance, gen):
    x, y = (torch.randn(k, 2, dtype=torch.float64, generator=gen) for k in (40, 30))
    cost, a, b = squared_euclidean(x, y), masses(40, gen), masses(30, gen)
    found = entropic_ot(cost, strength, a, b, relative=True, tolerance=tolerance)
    f, g, epsilon = found.f, found.g, found.epsilon.item()
    feasible = (cost - g).min(1).values
    gap = (rounded(found.plan, a, b) * cost).sum() - a @ feasible - b @ g
    # f_i + g_j - C_ij = eps log(P_ij / a_i b_j) <= eps log(r_i / a_i b_j) with the row sums r, so that f less these is
    # feasible; and <C, P> = f.r + g.c - eps KL(P | a b) without its mass terms, which are |P| - 1 more than KL >= 0
    rows, columns = found.plan.sum(1), found.plan.sum(0)
    log = (a @ (rows / a).log() - b.log().min()).item()
    errors = (rows - a).abs().sum() + (columns - b).abs().sum()
    allowed = epsilon * (log + (rows.sum() - 1).abs()) + f.abs() @ (rows - a).abs() + g.abs() @ (columns - b).abs()
    assert 0 <= gap <= allowed + 2 * errors * cost.max()


def test_batches_and_gradients(gen):
    plans = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=gen)
    a, b = torch.stack([masses(4, gen) for _ in range(6)]).reshape(2, 3, 4), torch.full((2, 3, 5), 0.2).double()
    together = rounded(plans, a, b)
    torch.testing.assert_close(together[1, 2], rounded(plans[1, 2], a[1, 2], b[1, 2]))
    plan = (plans[0, 0] / plans[0, 0].sum()).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rounded(p, a[0, 0], b[0, 0]), (plan,))


def test_refuses_what_no_plan_has():
    plan = torch.full((2, 3), 1 / 6)
    with pytest.raises(InvalidInput, match="different totals"):
        rounded(plan, torch.ones(2), torch.ones(3))
    with pytest.raises(InvalidInput, match="a has weights that are negative"):
        rounded(plan, torch.tensor([1.5, -0.5]))
    with pytest.raises(InvalidInput, match="plan has entries"):
        rounded(plan - 1)
    with pytest.raises(InvalidInput, match="rows and columns"):
        rounded(torch.zeros(0, 3))
