"""Transforms that keep samples in a domain: tails, inverses near the wall, densities, and flows through them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from pushforward.core import InvalidInput, generator_from
from pushforward.data import Bounded, MirrorBall, MirrorBox, MirrorPolytope, Positive, SimplexLogRatio
from pushforward.spaces import Ball, Polytope, Simplex

F64 = torch.float64
close = torch.testing.assert_close


def faces(d=6, m=20):
    a = torch.nn.functional.normalize(torch.randn(m, d, generator=generator_from(0), dtype=F64), dim=1)
    eye = torch.eye(d, dtype=F64)
    return torch.cat([a, eye, -eye]), torch.ones(m + 2 * d, dtype=F64)


def test_the_mirror_of_a_box_is_odd_and_increasing_with_the_tails_of_the_sheet():
    """Uniform x, kappa = 0.3: P(|y| > R) is (1 - x_R), where x_R has |y| = R; slope -1 / kappa of its logarithm."""
    mirror = MirrorBox(-1.0, 1.0, 0.3)
    x = torch.linspace(-1, 1, 2001, dtype=F64)[None, 1:-1]
    y = mirror.forward(x)
    close(y, -y.flip(1), rtol=0, atol=1e-12)
    assert (y.diff(dim=1) > 0).all()
    tail = 1 - mirror.inverse(torch.tensor([[5.0]], dtype=F64))
    assert float(tail) == pytest.approx(0.0053, abs=5e-5)  # printed 0.00533, of draws
    far = 1 - mirror.inverse(torch.tensor([[200.0, 400.0]], dtype=F64))[0]
    # to first order in 1 / |y| the tail is ((|y| - 1 + 2^-kappa) + ...)^(-1 / kappa): slope within 1 % there
    assert float((far[1] / far[0]).log2()) == pytest.approx(-1 / 0.3, rel=0.01)


@pytest.mark.parametrize("power", [0.05, 0.3, 0.7, 1.0])
def test_the_inverse_of_a_box_is_that_of_bisection(power):
    """To 1e-12 for dual values up to 1e4; Brent's method on the distance to the wall is the slower way."""
    y = torch.cat([torch.linspace(-5, 5, 21, dtype=F64), torch.tensor([-1e4, -100.0, 30.0, 1e3], dtype=F64)])
    found = MirrorBox(-1.0, 3.0, power).inverse(y[None])[0]

    def slow(y):
        def gap(w):  # of the logarithm of the distance to the nearer wall
            s = math.exp(w)
            x = 3 - s if y >= 1 else -1 + s
            up, down = (s, 4 - s) if y >= 1 else (4 - s, s)
            return x + up**-power - down**-power - y

        s = math.exp(optimize.brentq(gap, -300, math.log(4) - 1e-9, xtol=1e-14, rtol=1e-14))
        return 3 - s if y >= 1 else -1 + s

    close(found, torch.tensor([slow(float(v)) for v in y], dtype=F64), rtol=0, atol=1e-12)


MIRRORS = {
    "box": (lambda k: MirrorBox(-1.0, 1.0, k), lambda x: (x.abs() <= 1).all(1)),
    "ball": (lambda k: MirrorBall(2.0, k), Ball(2.0).contains),
    "polytope": (lambda k: MirrorPolytope(*faces(), power=k), Polytope.of(*faces()).contains),
}
each = pytest.mark.parametrize("name", MIRRORS)


@each
@settings(max_examples=40, deadline=None)
@given(
    power=st.sampled_from([0.1, 0.3, 0.6, 1.0]), size=st.floats(-3, 4), single=st.booleans(), seed=st.integers(0, 999)
)
def test_whatever_the_dual_point_its_primal_point_is_inside_and_right(name, power, size, single, seed):
    """To 1e-10 in float64, by the dual gap through the inverse Hessian.

    Near the wall y(x) itself is known only to the rounding of x, an ulp times the Hessian; and where the answer is
    within 1e-10 of the wall, x is as good as on it: |y| of (1e-10)^-power and more.
    """
    build, inside = MIRRORS[name]
    mirror = build(power)
    dtype = torch.float32 if single else F64
    y = (torch.randn(16, 6, generator=generator_from(seed), dtype=F64) * 10.0**size).to(dtype)
    x = mirror.inverse(y)
    assert x.dtype == dtype
    assert inside(x.double()).all()
    if not single:
        jacobian = torch.func.vmap(torch.func.jacfwd(lambda row: mirror.forward(row[None])[0]))(x)
        gap = torch.linalg.solve(jacobian, mirror.forward(x) - y)[y.norm(dim=1) <= 10 ** (10 * power) / 10]
        assert (gap.abs() <= 1e-10).all()


@each
@pytest.mark.parametrize("power", [0.3, 1.0])
def test_mirrors_are_gradients_of_convex_functions(name, power):
    """Symmetric positive Jacobians, at least 1 (so that distances in x are below those in y)."""
    mirror = MIRRORS[name][0](power)
    x = mirror.inverse(3 * torch.randn(20, 6, generator=generator_from(1), dtype=F64))
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda row: mirror.forward(row[None])[0]))(x)
    close(jacobian, jacobian.mT, rtol=1e-9, atol=1e-9)
    assert torch.linalg.eigvalsh(jacobian).min() >= 1
    close(mirror.log_det(x), torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-9, atol=1e-9)


@each
def test_data_on_the_wall_stay_finite(name):
    mirror = MIRRORS[name][0](0.3)
    for dtype in (torch.float32, F64):
        x = mirror.inverse(torch.tensor([[1e30, 0.0, 0.0, 0.0, 0.0, 0.0], [1.0] * 6], dtype=dtype))
        y = mirror.forward(x)
        assert y.isfinite().all()
        assert mirror.log_det(x).isfinite().all()
        assert mirror.inverse(torch.zeros(1, 6, dtype=dtype)).isfinite().all()


def test_logistic_becomes_uniform_and_the_density_of_a_box_integrates_to_one():
    bounded = Bounded(-1.0, 3.0)
    x = -1 + 4 * torch.rand(4000, 1, generator=generator_from(0), dtype=F64)
    assert stats.kstest(bounded.forward(x)[:, 0].numpy(), stats.logistic.cdf).pvalue > 1e-3
    density = torch.as_tensor(stats.logistic.logpdf(bounded.forward(x).numpy()))[:, 0] + bounded.log_det(x)
    close(density, torch.full((4000,), -math.log(4), dtype=F64), rtol=0, atol=1e-4)  # eps = 1e-6 moves it by 1e-6 / u
    # a normal in y, by the midpoint rule in x, which is exact to 1e-8 for a density that vanishes with its derivatives
    grid = (-1 + (torch.arange(4000, dtype=F64) + 0.5) / 1000)[:, None]
    y = bounded.forward(grid)
    mass = (torch.as_tensor(stats.norm.logpdf(y.numpy()))[:, 0] + bounded.log_det(grid)).exp().sum() / 1000
    assert float(mass) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("transform", [MirrorBox(-1.0, 1.0), MirrorBox(-1.0, 1.0, 1.0)], ids=["0.3", "log barrier"])
def test_the_density_through_a_mirror_integrates_to_one(transform):
    grid = (-1 + (torch.arange(200_000, dtype=F64) + 0.5) / 100_000)[:, None]
    y = transform.forward(grid)
    mass = (torch.as_tensor(stats.t(3).logpdf(y.numpy()))[:, 0] + transform.log_det(grid)).exp().sum() / 100_000
    assert float(mass) == pytest.approx(1, abs=2e-3)  # 1e-5 of x at each wall holds some 1e-3 of the mass


def test_positive_data_are_log_normal_or_soft():
    x = torch.exp(torch.randn(4000, 1, generator=generator_from(0), dtype=F64))
    law = stats.lognorm(1.0)
    density = torch.as_tensor(stats.norm.logpdf(Positive().forward(x).numpy()))[:, 0] + Positive().log_det(x)
    close(density, torch.as_tensor(law.logpdf(x[:, 0].numpy())), rtol=1e-10, atol=1e-10)
    soft = Positive(softplus=True)
    big = torch.tensor([[1e-8, 1.0, 500.0]])
    close(soft.inverse(soft.forward(big)), big)
    assert (Positive(eps=0.5).inverse(torch.tensor([[-50.0, -0.1]])) >= 0).all()


def test_log_ratios_undo_and_have_their_density():
    ratios, x = SimplexLogRatio(), Simplex().noise(torch.empty(50, 4, dtype=F64), generator=generator_from(0))
    close(ratios.inverse(ratios.forward(x)), x, rtol=0, atol=1e-13)
    free = lambda row: ratios.forward(torch.cat([row, 1 - row.sum(0, keepdim=True)])[None])[0]
    jacobian = torch.func.vmap(torch.func.jacfwd(free))(x[:, :3])
    close(ratios.log_det(x), torch.linalg.slogdet(jacobian).logabsdet)
    mixed = SimplexLogRatio(0.01)
    free = lambda row: mixed.forward(torch.cat([row, 1 - row.sum(0, keepdim=True)])[None])[0]
    jacobian = torch.func.vmap(torch.func.jacfwd(free))(x[:, :3])
    close(mixed.log_det(x), torch.linalg.slogdet(jacobian).logabsdet)
    close(mixed.inverse(mixed.forward(x)), x, rtol=0, atol=1e-12)
    corner = torch.tensor([[1.0, 0.0, 0.0]])
    assert mixed.forward(corner).isfinite().all()
    wild = mixed.inverse(torch.tensor([[100.0, -100.0]]))
    assert Simplex().contains(wild).all()


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: Positive(eps=-1.0), "0 or more"),
        (lambda: Bounded(1.0, 1.0), "walls at 1.0 and 1.0"),
        (lambda: Bounded(0.0, 1.0, eps=0.5), "eps 0.5"),
        (lambda: MirrorBox(0.0, math.inf), "finite"),
        (lambda: MirrorBox(0.0, 1.0, power=1.5), "power 1.5"),
        (lambda: MirrorBall(-1.0), "radius -1.0"),
        (lambda: MirrorBall(1.0, 0.0), "power 0.0"),
        (lambda: MirrorPolytope(*faces(), power=2.0), "power 2.0"),
        (lambda: MirrorPolytope(*faces()).inverse(torch.zeros(2, 3)), "3 coordinates, expected 6"),
        (lambda: SimplexLogRatio(0.5), "eps 0.5"),
        (lambda: SimplexLogRatio().forward(torch.ones(3, 1)), "K >= 2"),
    ],
)
def test_nonsense_is_refused(build, match):
    with pytest.raises(InvalidInput, match=match):
        build()
