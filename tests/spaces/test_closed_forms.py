"""What only one space can be held against: volumes, densities, divergences, published numbers."""

import math

import pytest
import torch
from scipy import stats

from pushforward.config import build, describe
from pushforward.core import Exact, Incompatible, InvalidInput, Space, jvp
from pushforward.spaces import (
    IGSO3,
    SE3,
    SO3,
    SPD,
    Euclidean,
    LogEuclidean,
    Lorentz,
    Poincare,
    Product,
    Sphere,
    Torus,
)

F64 = torch.float64
close = torch.testing.assert_close


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(space, *shape, seed=0):
    return space.noise(torch.empty(shape, dtype=F64), generator=gen(seed))


def column(values):
    return torch.tensor([values], dtype=F64)


def test_volumes_of_compact_spaces():
    for n, area in [(2, 2 * math.pi), (3, 4 * math.pi), (4, 2 * math.pi**2), (6, math.pi**3)]:
        close(Sphere().noise_log_prob(draw(Sphere(), 3, n)), torch.full((3,), -math.log(area), dtype=F64))
    close(Torus().noise_log_prob(draw(Torus(), 1, 3)), column(-3 * math.log(2 * math.pi))[0, None])
    close(Torus((1.0, 4.0)).noise_log_prob(draw(Torus((1.0, 4.0)), 1, 2)), column(-math.log(4))[0, None])
    close(SO3().noise_log_prob(draw(SO3(), 1, 3, 3)), column(-math.log(8 * math.pi**2))[0, None])


def test_uniform_draws_are_uniform():
    """Kolmogorov-Smirnov at the level of 1e-4: Archimedes' heights on S^2, a coordinate of S^4, angles of SO(3)."""
    assert stats.kstest(draw(Sphere(), 4000, 3)[:, 2].numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-4
    square = draw(Sphere(), 4000, 5)[:, 0].square().numpy()
    assert stats.kstest(square, stats.beta(1 / 2, 2).cdf).pvalue > 1e-4
    w = SO3().distance(draw(SO3(), 4000, 3, 3), torch.eye(3, dtype=F64).expand(4000, 3, 3))
    assert stats.kstest(w.numpy(), lambda w: (w - torch.as_tensor(w).sin().numpy()) / math.pi).pvalue > 1e-4
    x = draw(Torus(3.0), 4000, 1)[:, 0]
    assert stats.kstest(x.numpy(), stats.uniform(0, 3).cdf).pvalue > 1e-4


def test_a_tiny_negative_angle_stays_below_the_period():
    x = Torus().exp(torch.zeros(1, 1), torch.full((1, 1), -1e-9))
    assert 0 <= float(x) < 2 * math.pi
    assert float(Torus().distance(x, torch.zeros(1, 1))) < 1e-6


def test_wrapped_normal_laws_integrate_to_one():
    """Polar quadrature of H^2 and H^3: circles 2 pi sinh(r), spheres 4 pi sinh(r)^2; trapezoid, tails of 1e-14."""
    r = torch.linspace(0, 12, 4001, dtype=F64)[1:]
    for scale in (0.3, 1.0, 1.5):
        for n, size in [(2, 2 * math.pi * r.sinh()), (3, 4 * math.pi * r.sinh().square())]:
            ray = torch.nn.functional.one_hot(torch.zeros(len(r), dtype=torch.int64), n).to(F64)
            sheet = torch.cat([r.cosh()[:, None], r.sinh()[:, None] * ray], 1)
            for space, x in [(Lorentz(scale), sheet), (Poincare(scale), (r / 2).tanh()[:, None] * ray)]:
                mass = torch.trapezoid(space.noise_log_prob(x).exp() * size, r)
                assert abs(float(mass) - 1) <= 1e-4


def test_ball_and_hyperboloid_are_one_space():
    """The stereographic map x_i / (1 + x_0) carries geodesics, distances, transport, densities and draws."""
    sheet, ball = Lorentz(0.8), Poincare(0.8)
    down = lambda x: x[:, 1:] / (1 + x[:, :1])
    x, y = draw(sheet, 50, 4), draw(sheet, 50, 4, seed=1)
    a, b = down(x), down(y)
    push = lambda x, u: jvp(down, (x,), (u,))[1]
    u = sheet.log(x, y)
    v = sheet.tangent_noise(x, generator=gen(2))
    close(ball.distance(a, b), sheet.distance(x, y))
    close(ball.log(a, b), push(x, u))
    close(ball.inner(a, push(x, u), push(x, v)), sheet.inner(x, u, v))
    close(ball.exp(a, push(x, v)), down(sheet.exp(x, v)))
    close(ball.transport(a, b, push(x, v)), push(y, sheet.transport(x, y, v)))
    close(ball.noise_log_prob(a), sheet.noise_log_prob(x))
    close(draw(ball, 9, 3, seed=4), down(draw(sheet, 9, 4, seed=4)))


def test_float32_keeps_short_distances_far_from_the_origin():
    """Two points at 4 from the origin, 1e-3 apart: coordinates of 27 carry differences of 0.03 to 1e-4 of themselves.

    -x_0 y_0 + x . y would round by 27^2 eps = 1e-4, a hundred times half the squared distance.
    """
    x = Lorentz().exp(torch.eye(3, dtype=F64)[:1], 4 * torch.eye(3, dtype=F64)[1:2])
    y = Lorentz().exp(x, 1e-3 * Lorentz().tangent_noise(x, generator=gen()))
    single = Lorentz().distance(x.float(), y.float()).double()
    lift = lambda a: torch.cat([(1 + a.square().sum(1, keepdim=True)).sqrt(), a], 1)
    rounded = Lorentz().distance(lift(x[:, 1:].float().double()), lift(y[:, 1:].float().double()))
    close(single, rounded, rtol=1e-4, atol=0)


def test_the_rim_of_the_ball_holds_what_is_thrown_at_it():
    for dtype, limit in [(torch.float32, 1 - 1e-5), (F64, 1 - 1e-12)]:
        x = torch.tensor([[0.9, 0.1]], dtype=dtype)
        y = Poincare().exp(x, 1e3 * torch.ones_like(x))
        assert float(y.norm()) <= limit + 1e-7 * (dtype == torch.float32)
        assert Poincare().log(x, y).isfinite().all()
        assert Poincare().distance(x, y).isfinite().all()


@pytest.mark.parametrize("space", [SPD(0.7), LogEuclidean(0.7)], ids=str)
@pytest.mark.parametrize("m", [2, 3])
def test_noise_of_positive_matrices_has_its_density(space, m):
    """p sqrt(g) |dP/dS| = N(S), in orthonormal coordinates of both; the middle two by other ways than the first."""
    i, j = torch.triu_indices(m, m)
    weight = torch.where(i == j, 1.0, math.sqrt(0.5)).to(F64)

    def matrix(c):
        s = torch.zeros(m, m, dtype=F64).index_put((i, j), c * weight)
        return s + s.T - torch.diag(s.diagonal())

    c = 0.7 * torch.randn(5, len(i), generator=gen(), dtype=F64)
    p = torch.linalg.matrix_exp(torch.func.vmap(matrix)(c))
    jacobian = torch.func.vmap(torch.func.jacrev(lambda c: torch.linalg.matrix_exp(matrix(c))[i, j] / weight))(c)
    found = space.noise_log_prob(p) + space.log_volume(p) + torch.linalg.slogdet(jacobian).logabsdet
    close(found, torch.distributions.Normal(0.0, 0.7).log_prob(c).sum(1))
    drawn = space.noise(torch.empty(4000, m, m, dtype=F64), generator=gen(3))
    logs = space.features(drawn) / 0.7  # N(0, 1), by Kolmogorov-Smirnov at the level of 1e-4 for every coordinate
    assert all(stats.kstest(k.numpy(), stats.norm.cdf).pvalue > 1e-4 for k in logs.T)


def test_positive_diagonal_matrices_move_by_powers():
    d, t = torch.tensor([[0.5, 2.0, 5.0]], dtype=F64), 0.3
    one, end = torch.eye(3, dtype=F64)[None], torch.diag_embed(d)
    for space in (SPD(), LogEuclidean()):
        close(space.exp(one, t * space.log(one, end)), torch.diag_embed(d**t))
        close(space.distance(one, end), d.log().norm(dim=1))


def test_volume_of_positive_matrices_in_their_upper_triangle():
    """There det G = 2^(m (m - 1) / 2) (det P)^-(m + 1): the published code has the other sign."""
    p = draw(SPD(), 4, 3, 3)
    i, j = torch.triu_indices(3, 3)
    basis = torch.zeros(6, 3, 3, dtype=F64)
    basis[range(6), i, j] = basis[range(6), j, i] = 1.0
    each = lambda e: e.expand(4, 3, 3)
    gram = torch.stack([torch.stack([SPD().inner(p, each(a), each(b)) for b in basis], -1) for a in basis], -1)
    exact = 3 * math.log(2) - 4 * torch.linalg.slogdet(p).logabsdet
    close(torch.linalg.slogdet(gram).logabsdet, exact)
    close(2 * SPD().log_volume(p) + 3 * math.log(2), exact)


def test_matrices_that_are_not_positive_give_nan():
    p = torch.diag_embed(torch.tensor([[1.0, 2.0], [1.0, -2.0]], dtype=F64))
    u = torch.eye(2, dtype=F64).expand(2, 2, 2)
    for space in (SPD(), LogEuclidean()):
        for found in (space.exp(p, u), space.log(p, u), space.distance(p, u), space.noise_log_prob(p)):
            assert found[0].isfinite().all()
            assert found[1].isnan().any()
        close(space.project(p)[1], torch.diag(torch.tensor([1.0, 2e-16], dtype=F64)), rtol=0, atol=1e-15)


def test_features_of_positive_matrices_are_isometric_for_their_logarithms():
    x, y = draw(LogEuclidean(), 9, 3, 3), draw(LogEuclidean(), 9, 3, 3, seed=1)
    close((LogEuclidean().features(x) - LogEuclidean().features(y)).norm(dim=1), LogEuclidean().distance(x, y))
    close(SPD().features(x), LogEuclidean().features(x))


def test_features_of_the_torus_are_periodic_and_tell_all():
    x = draw(Torus((1.0, 3.0)), 5, 2)
    seen = Torus((1.0, 3.0)).features(x)
    close(seen, Torus((1.0, 3.0)).features(x + torch.tensor([1.0, -6.0], dtype=F64)))
    close(torch.atan2(seen[:, :2], seen[:, 2:]).remainder(2 * math.pi), 2 * math.pi * x / torch.tensor([1.0, 3.0]))


def quadrature(scale):
    """Nodes, and masses of the angle's law, by the trapezoid rule: exact to rounding for periodic functions."""
    w = torch.linspace(0, math.pi, 4001, dtype=F64)
    step = torch.full_like(w, math.pi / 4000)
    step[[0, -1]] /= 2
    uniform = (1 - w.cos()) / math.pi * step
    return w, uniform, IGSO3(scale).log_ratio(w).exp()


@pytest.mark.parametrize(("scale", "value"), [(1.5, -0.341901), (1.0, 0.0518192), (0.3, 0.8708968), (0.05, None)])
def test_mean_cosine_of_igso3(scale, value):
    """E cos w = (3 exp(-sigma^2) - 1) / 2, from the eigenvalue of the first harmonic."""
    exact = (3 * math.exp(-(scale**2)) - 1) / 2
    w, uniform, f = quadrature(scale)
    assert abs(float((uniform * f).sum()) - 1) <= 1e-12
    assert abs(float((uniform * f * w.cos()).sum()) - exact) <= 1e-12
    assert value is None or abs(exact - value) <= 5e-7
    n = 20_000
    x = IGSO3(scale).noise(torch.empty(n, 3, 3, dtype=F64), generator=gen())
    cosine = (x.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    assert abs(float(cosine.mean()) - exact) <= 5 * float(cosine.std()) / math.sqrt(n)


def test_source_of_frame_flow_is_not_uniform():
    """The sheet of numbers at sigma = 1.5: density ratios, total variation, mean angle; uniform: pi / 2 + 2 / pi."""
    w, uniform, f = quadrature(1.5)
    assert float(f[0]) == pytest.approx(1.978, abs=5e-4)
    assert float(f[-1]) == pytest.approx(0.690, abs=5e-4)
    assert float((uniform * (f - 1).abs()).sum()) / 2 == pytest.approx(0.130, abs=5e-4)
    assert math.degrees(float((uniform * f * w).sum())) == pytest.approx(115.0, abs=0.05)
    assert float((uniform * w).sum()) == pytest.approx(math.pi / 2 + 2 / math.pi, abs=1e-6)


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.3])
def test_the_two_sums_of_igso3_are_one(scale):
    from pushforward.spaces.igso3 import _log_images, _log_series

    w = torch.linspace(0, math.pi, 200, dtype=F64)
    close(_log_images(w, scale), _log_series(w, scale), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("scale", [0.02, 0.5, 2.0])
def test_angles_of_igso3_follow_their_law(scale):
    """Kolmogorov-Smirnov at the level of 1e-4 against the trapezoid sums of the density; the axis is uniform."""
    x = IGSO3(scale).noise(torch.empty(4000, 3, 3, dtype=F64), generator=gen())
    one = torch.eye(3, dtype=F64).expand(4000, 3, 3)
    w, uniform, f = quadrature(scale)
    below = torch.cumsum(uniform * f, 0)
    law = lambda a: torch.lerp(*interpolate(torch.as_tensor(a), w, below)).numpy()
    assert stats.kstest(SO3().distance(one, x).numpy(), law).pvalue > 1e-4
    vector = SO3().log(one, x)[:, 1, 0]
    height = (vector / SO3().distance(one, x)).numpy()
    assert stats.kstest(height, stats.uniform(-1, 2).cdf).pvalue > 1e-4


def interpolate(a, w, below):
    k = torch.searchsorted(w, a.contiguous()).clamp(1, len(w) - 1)
    return below[k - 1], below[k], (a - w[k - 1]) / (w[k] - w[k - 1])


def test_igso3_is_the_noise_of_so3_and_smooth_at_the_identity():
    space = SO3(IGSO3(0.5))
    x = draw(space, 7, 3, 3)
    close(x, IGSO3(0.5).noise(x, generator=gen()))
    one = torch.eye(3, dtype=F64)[None].requires_grad_()
    (grad,) = torch.autograd.grad(space.noise_log_prob(one).sum(), one)
    assert grad.isfinite().all()
    near = space.exp(one.detach(), 1e-6 * space.tangent_noise(one.detach(), generator=gen(1)))
    close(space.noise_log_prob(near), space.noise_log_prob(one.detach()), rtol=0, atol=1e-9)


def div(space, field, x):
    """Divergence of a field that is read at the nearest point of the space."""
    whole = lambda p: space.tangent(space.project(p), field(space.project(p)))
    return Exact()(whole, x, Exact().probes(x))[1]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_divergence_of_the_pull_to_a_point(n):
    """-(1 + (n - 1) r cot r) on spheres, r coth r on hyperbolic space; its chart adds (1/2) v . grad log det g."""
    space = Sphere()
    x, y = draw(space, 20, n + 1), draw(space, 20, n + 1, seed=1)
    r = space.distance(x, y)
    close(div(space, lambda p: space.log(p, y), x), -(1 + (n - 1) * r / r.tan()))
    space = Lorentz()
    x, y = draw(space, 20, n + 1), draw(space, 20, n + 1, seed=1)
    r = space.distance(x, y)
    close(div(space, lambda p: space.log(p, y), x), -(1 + (n - 1) * r / r.tanh()))
    space = Poincare()
    x, y = draw(space, 20, n), draw(space, 20, n, seed=1)
    r, v = space.distance(x, y), space.log(x, y)
    _, bent = jvp(space.log_volume, (x,), (v,))
    close(div(space, lambda p: space.log(p, y), x) + bent, -(1 + (n - 1) * r / r.tanh()))


def test_divergence_of_the_pull_to_a_rotation():
    """-(1 + w cot(w / 2)); also at the rotation itself, where it is -3."""
    space = SO3()
    x, y = draw(space, 20, 3, 3), draw(space, 20, 3, 3, seed=1)
    w = space.distance(x, y)
    close(div(space, lambda p: space.log(p, y), x), -(1 + w / (w / 2).tan()))
    close(div(space, lambda p: space.log(p, x), x), torch.full((20,), -3.0, dtype=F64))


def test_divergence_of_the_pull_to_a_positive_matrix():
    """To the identity: -(m + the sum over pairs of delta coth delta), delta half the gap of the eigenvalues of log x.

    Those shrink at rate 1 each; a Jacobi field that turns a pair of eigenvectors grows like sinh(s delta).
    """
    space, one = SPD(), torch.eye(3, dtype=F64).expand(10, 3, 3)
    x = draw(space, 10, 3, 3)
    i, j = torch.triu_indices(3, 3, 1)
    logs = torch.linalg.eigvalsh(x).log()
    delta = (logs[:, i] - logs[:, j]) / 2
    _, bent = jvp(space.log_volume, (x,), (space.log(x, one),))
    close(div(space, lambda p: space.log(p, one), x) + bent, -(3 + (delta / delta.tanh()).sum(1)))


def test_frames_are_a_product():
    space = SE3(IGSO3(1.5))
    x = space.noise({"rotation": torch.empty(5, 4, 3, 3, dtype=F64), "shift": torch.empty(5, 4, 3, dtype=F64)})
    shift, rotation = Euclidean(), SO3(IGSO3(1.5))
    assert (space["shift"], space["rotation"]) == (shift, rotation)
    close(space.noise_log_prob(x), shift.noise_log_prob(x["shift"]) + rotation.noise_log_prob(x["rotation"]))
    assert space.dimension(x) == 24
    assert space == SE3(IGSO3(1.5))
    assert hash(space) == hash(SE3(IGSO3(1.5)))
    assert not space.convex
    assert Product(a=Euclidean(), b=Euclidean()).convex


def test_parts_of_a_product_have_features_of_their_own():
    x = {"a": torch.zeros(2, 3), "b": torch.zeros(2, 1)}
    seen = Product(a=Euclidean(), b=Torus()).features(x)
    assert torch.equal(seen["a"], x["a"])
    assert seen["b"].shape == (2, 2)


@pytest.mark.parametrize(
    ("space", "event"),
    [(Sphere(), (3,)), (Torus(), (2,)), (Lorentz(), (3,)), (Poincare(), (2,))]
    + [(s, (3, 3)) for s in (SPD(), LogEuclidean(), SO3(), SO3(IGSO3(0.3)))],
    ids=str,
)
def test_batches_may_be_empty(space, event):
    x = draw(space, 0, *event)
    u = space.log(x, x)
    for found in (u, space.exp(x, u), space.transport(x, x, u), space.project(x), space.tangent_noise(x)):
        assert found.shape == (0, *event)
    for found in (space.distance(x, x), space.noise_log_prob(x), space.log_volume(x), space.inner(x, u, u)):
        assert found.shape == (0,)


def test_nonsense_is_refused():
    for bad in (0.0, -1.0, math.inf, math.nan):
        for make in (Torus, Lorentz, Poincare, SPD, LogEuclidean, IGSO3):
            with pytest.raises(InvalidInput, match="positive, finite"):
                make(bad)
    with pytest.raises(InvalidInput, match="positive, finite"):
        Torus(period=())
    with pytest.raises(InvalidInput, match=r"\[1, 3\], but Torus has 2 periods"):
        Torus((1.0, 2.0)).project(torch.zeros(1, 3))
    with pytest.raises(Incompatible, match="no parts"):
        Product()
    with pytest.raises(Incompatible, match=r"write Sphere\(\)"):
        Product(a=Sphere)
    with pytest.raises(InvalidInput, match=r"\{a: \[1, 3\]\}, expected a mapping with the parts a, b"):
        Product(a=Sphere(), b=Sphere()).project({"a": torch.zeros(1, 3)})


@pytest.mark.parametrize(
    "space",
    [Sphere(), Torus((1.0, 2.0)), Torus(), Lorentz(2.0), Poincare(), SPD(), LogEuclidean(0.5), SO3(), SO3(IGSO3(0.5))],
    ids=str,
)
def test_spaces_are_written_and_read_back(space):
    assert build(describe(space), Space, "path.space") == space
