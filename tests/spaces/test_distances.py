"""Distances against 50 digits, at any separation: nearly equal, anywhere, nearly as far as can be.

The reference reads the very floats that the space reads. A distance d of points of size one cannot be better than the
rounding of their coordinates, so the tolerance is a few eps of max(d, 1); where differences of coordinates carry all of
it, a few eps of d itself.
"""

import math

import pytest
import torch

from pushforward.core import align
from pushforward.spaces import SO3, SPD, LogEuclidean, Lorentz, Poincare, Sphere, Torus

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp.clone()
mp.dps = 50
F64, EPS = torch.float64, torch.finfo(torch.float64).eps
N = 200


def draw(space, event, seed, b):
    return space.noise(torch.empty(b, *event, dtype=F64), generator=torch.Generator().manual_seed(seed))


def along(space, x, length, seed):
    """Points at `length` `[B]` from x, in random directions."""
    u = space.tangent_noise(x, generator=torch.Generator().manual_seed(seed))
    return space.exp(x, align(length / space.inner(x, u, u).sqrt(), u) * u)


def pairs(space, event, far):
    """200 pairs at distances of 1e-12 to 1e-1, of any size, and `far` less as little."""
    x = draw(space, event, 0, N)
    gaps = torch.logspace(-12, -1, N, dtype=F64)
    found = [(x, along(space, x, gaps, 1)), (x, draw(space, event, 2, N))]
    if far is not None:
        found.append((x, along(space, x, far - gaps, 3)))
    return found


def numbers(t):
    return [mp.mpf(v) for v in t.flatten().tolist()]


def matrix(t):
    return mp.matrix([[mp.mpf(v) for v in row] for row in t.tolist()])


def sphere(x, y):
    a, b = numbers(x), numbers(y)
    length = lambda v: mp.sqrt(mp.fdot(v, v))
    a, b = [p / length(a) for p in a], [p / length(b) for p in b]
    return 2 * mp.atan2(
        length([p - q for p, q in zip(a, b, strict=True)]), length([p + q for p, q in zip(a, b, strict=True)])
    )


def torus(x, y):
    period = mp.mpf(2 * math.pi)
    gaps = [(q - p) % period for p, q in zip(numbers(x), numbers(y), strict=True)]
    return mp.sqrt(mp.fsum(min(g, period - g) ** 2 for g in gaps))


def lorentz(x, y):
    a, b = numbers(x)[1:], numbers(y)[1:]
    return mp.acosh(mp.sqrt(1 + mp.fdot(a, a)) * mp.sqrt(1 + mp.fdot(b, b)) - mp.fdot(a, b))


def poincare(x, y):
    a, b = numbers(x), numbers(y)
    gap = [p - q for p, q in zip(a, b, strict=True)]
    return mp.acosh(1 + 2 * mp.fdot(gap, gap) / ((1 - mp.fdot(a, a)) * (1 - mp.fdot(b, b))))


def spd(x, y):
    values = mp.eigsy(whitened(matrix(x), matrix(y)), eigvals_only=True)
    return mp.sqrt(mp.fsum(mp.log(v) ** 2 for v in values))


def whitened(p, q):
    inverse = mp.inverse(mp.cholesky(p))
    return inverse * q * inverse.T


def so3(x, y):
    """From r = x^T y: |r - r^T| is sin, its trace cos; in 50 digits of floats that are orthogonal to 16, so of both."""
    r = matrix(x).T * matrix(y)
    s = mp.sqrt((r[2, 1] - r[1, 2]) ** 2 + (r[0, 2] - r[2, 0]) ** 2 + (r[1, 0] - r[0, 1]) ** 2) / 2
    return mp.atan2(s, (r[0, 0] + r[1, 1] + r[2, 2] - 1) / 2)


CASES = [
    # space, event, reference, the farthest, tolerance in eps of d, and of 1
    (Sphere(), (3,), sphere, math.pi, (8, 1)),
    (Sphere(), (6,), sphere, math.pi, (8, 1)),
    (Torus(), (2,), torus, None, (8, 8)),
    (Lorentz(), (4,), lorentz, None, (16, 0)),
    (Poincare(), (3,), poincare, None, (16, 0)),
    (SO3(), (3, 3), so3, math.pi, (16, 0)),
]


@pytest.mark.parametrize(
    ("space", "event", "reference", "far", "eps"), CASES, ids=lambda v: getattr(v, "__name__", str(v))
)
def test_distance_has_all_its_digits(space, event, reference, far, eps):
    for x, y in pairs(space, event, far):
        exact = torch.tensor([float(reference(p, q)) for p, q in zip(x, y, strict=True)], dtype=F64)
        error = (space.distance(x, y) - exact).abs()
        assert (error <= EPS * (eps[0] * exact + eps[1])).all(), float((error / exact).max())


@pytest.mark.parametrize(("space", "event", "far"), [(c[0], c[1], c[3]) for c in CASES if c[3]], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_exp_undoes_log_at_any_separation(space, event, far, dtype):
    """A direction known to eps / gap is multiplied by a sine of the size of the gap."""
    for x, y in pairs(space, event, far):
        a, b = x.to(dtype), y.to(dtype)
        assert (space.exp(a, space.log(a, b)) - b).abs().amax() <= 16 * torch.finfo(dtype).eps


def test_distance_of_positive_matrices_is_as_good_as_their_condition():
    """Rounding of P and Q moves the whitened matrix by eps times the condition of P."""
    space = SPD()
    for x, y in pairs(space, (3, 3), None):
        condition = torch.linalg.cond(x) * torch.linalg.cond(y)
        exact = torch.tensor([float(spd(p, q)) for p, q in zip(x[::4], y[::4], strict=True)], dtype=F64)
        assert ((space.distance(x, y)[::4] - exact).abs() <= 8 * EPS * condition[::4]).all()


def test_log_euclidean_distance_is_that_of_logarithms():
    space = LogEuclidean()
    for x, y in pairs(space, (2, 2), None):
        exact = []
        for p, q in zip(x[::4], y[::4], strict=True):
            gap = log(matrix(p)) - log(matrix(q))
            exact.append(float(mp.sqrt(mp.fsum(v**2 for v in gap))))
        condition = torch.linalg.cond(x) + torch.linalg.cond(y)
        assert ((space.distance(x, y)[::4] - torch.tensor(exact, dtype=F64)).abs() <= 8 * EPS * condition[::4]).all()


def log(p):
    values, vectors = mp.eigsy(p)
    return vectors * mp.diag([mp.log(v) for v in values]) * vectors.T


def test_opposite_points_have_a_logarithm_of_full_length():
    x = draw(Sphere(), (4,), 0, 50)
    torch.testing.assert_close(Sphere().distance(x, -x), torch.full((50,), math.pi, dtype=F64))
    torch.testing.assert_close(Sphere().exp(x, Sphere().log(x, -x)), -x)
    half = draw(SO3(), (3, 3), 0, 50)
    turned = half @ torch.diag(torch.tensor([-1.0, 1.0, -1.0], dtype=F64))
    torch.testing.assert_close(SO3().distance(half, turned), torch.full((50,), math.pi, dtype=F64))
    torch.testing.assert_close(SO3().exp(half, SO3().log(half, turned)), turned)
    angle = torch.tensor([[0.25]], dtype=F64)
    assert float(Torus(1.0).log(angle, angle + 0.5)) == 0.5
    assert float(Torus(1.0).log(angle + 0.5, angle)) == -0.5


@pytest.mark.parametrize("space", [Sphere(), SO3()], ids=str)
def test_derivatives_are_finite_at_the_cut_locus(space):
    x = draw(space, (3,) if isinstance(space, Sphere) else (3, 3), 0, 5)
    far = -x if isinstance(space, Sphere) else x @ torch.diag(torch.tensor([-1.0, 1.0, -1.0], dtype=F64))
    for f in (space.log, space.distance, lambda p, q: space.transport(p, q, p)):
        p, q = x.clone().requires_grad_(), far.clone().requires_grad_()
        assert all(g.isfinite().all() for g in torch.autograd.grad(f(p, q).sum(), (p, q)))
