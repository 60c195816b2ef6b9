"""Samples of correlated Gaussians against the closed form, within the bias that theory gives to samples."""

import itertools
import math

import torch

from pushforward.couplings import EntropicOT
from pushforward.oracles import entropic_cross
from pushforward.transport import entropic_ot, squared_euclidean

F64 = torch.float64
A, B = torch.tensor([[[1.0, 0.3], [0.3, 0.5]], [[2.0, -0.4], [-0.4, 1.0]]], dtype=F64)
EPSILON, GOLDEN = 0.7, 1.2896001651  # half-square cost
CROSS = torch.tensor([[1.068199, -0.046877], [0.187508, 0.365045]], dtype=F64)  # Cov(x0, x1), not symmetric


def cross(twist):
    """Cov(x0, x1) for the cost |x|^2 / 2 + |y|^2 / 2 - x.(1 - twist) y, whose plan is that of y' = (1 - twist) y."""
    turn = torch.eye(2, dtype=F64) - twist
    return entropic_cross(A, turn @ B @ turn.T, EPSILON**0.5) @ torch.linalg.inv(turn).T


def bias(twist):
    r"""n times what two independent samples of size n add to the value, to first order in 1 / n.

    With the potentials of the laws the density of the plan is D = 1 + sum_k s_k u_k(x) v_k(y); its marginals on samples
    are off by sum_k s_k u_k mean(v_k) and sum_k s_k v_k mean(u_k), with means of variance 1 / n. The step of Newton
    that mends them, of Hessian [[1, s], [s, 1]] in every k, gains eps / 2 * 2 s^2 / (1 - s^2) / n. For Gaussians s are
    all products of powers of the canonical correlations.
    """
    left, right = (torch.linalg.inv(torch.linalg.cholesky(z)) for z in (A, B))
    rho = torch.linalg.svdvals(left @ cross(twist) @ right.T)
    squares = [(rho[0] ** i * rho[1] ** j) ** 2 for i, j in itertools.product(range(60), repeat=2) if i + j]
    return EPSILON * sum(s / (1 - s) for s in squares)


def potentials(x, y):
    """f(x) and g(y) of the laws, read off the density of the plan."""
    joint = torch.cat([torch.cat([A, CROSS_EXACT], 1), torch.cat([CROSS_EXACT.T, B], 1)])
    inverse = torch.linalg.inv(joint)
    constant = EPSILON / 2 * (torch.logdet(A) + torch.logdet(B) - torch.logdet(joint))
    f, g = (
        ((z @ (torch.eye(2, dtype=F64) - EPSILON * (own - torch.linalg.inv(law)))) * z).sum(1) / 2
        for z, own, law in ((x, inverse[:2, :2], A), (y, inverse[2:, 2:], B))
    )
    return f + constant, g


NO_TWIST = torch.zeros(2, 2, dtype=F64)
CROSS_EXACT = cross(NO_TWIST)


def clouds(n, gen):
    x, y = (torch.randn(n, 2, dtype=F64, generator=gen) @ torch.linalg.cholesky(z).T for z in (A, B))
    return x, y


def test_the_value_of_samples(gen):
    n, batches = 256, 60
    values, controls = [], []
    for _ in range(batches):
        x, y = clouds(n, gen)
        values.append(entropic_ot(squared_euclidean(x, y) / 2, EPSILON).value)
        f, g = potentials(x, y)
        controls.append(f.mean() + g.mean())  # of mean GOLDEN, and all of the value to first order
    values, controls = torch.stack(values), torch.stack(controls)
    excess, most = values - controls, bias(NO_TWIST).item() / n

    # The potentials of the laws are feasible for the samples and worth `controls` in the mean, so the mean excess is
    # not negative; the first order is approached from below, as samples do not see the highest k.
    def error(z):
        return 4 * z.std().item() / math.sqrt(batches)

    assert -error(controls) < controls.mean().item() - GOLDEN < error(controls)
    assert -error(values) < values.mean().item() - GOLDEN < most + error(values)
    assert excess.mean().item() - error(excess) > 0
    assert excess.mean().item() < most + error(excess)


def test_the_covariance_of_pairs(gen):
    n, batches = 256, 60
    twist = NO_TWIST.clone().requires_grad_()
    (slope,) = torch.autograd.grad(bias(twist), twist)  # the covariance is the value's derivative, so is its bias
    torch.testing.assert_close(CROSS_EXACT, CROSS, rtol=0, atol=1e-6)
    found = []
    for _ in range(batches):
        # |x - y|^2 = 2 |x - y|^2 / 2
        pairs = EntropicOT(2 * EPSILON, relative=False)(*clouds(n, gen), generator=gen)
        found.append(pairs.x0.T @ pairs.x1 / n)
    found = torch.stack(found)
    error = found.std(0) / math.sqrt(batches)
    assert ((found.mean(0) - CROSS).abs() < 4 * error + slope.abs() / n).all()
    assert ((CROSS - CROSS.T).abs()[0, 1] > 8 * error).all()  # a symmetric answer would be seen
