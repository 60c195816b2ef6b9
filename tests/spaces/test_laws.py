"""Laws that every space keeps; a new one adds a line to the catalogue."""

import math

import pytest
import torch

from pushforward.core import Manifold, Smooth, Space, dual, jvp, leaves, map_state
from pushforward.spaces import (
    IGSO3,
    SE3,
    SO3,
    SPD,
    Centred,
    Euclidean,
    LogEuclidean,
    Lorentz,
    Orthant,
    Poincare,
    Product,
    Sphere,
    StudentT,
    Torus,
    pull_back,
)

F64 = torch.float64
close = torch.testing.assert_close

# space, event shape
SPACES = [
    (Euclidean(), (3,)),
    (Euclidean(), (2, 4, 4)),
    (Euclidean(StudentT(3.0)), (3,)),
    (Euclidean(), {"a": (3,), "b": (2, 2)}),
    (Centred(), (4, 3)),
    (Centred(), (2, 3, 2)),
    (Centred(), {"a": (2, 3), "b": (2, 3, 2)}),
    (Sphere(), (2,)),
    (Sphere(), (3,)),
    (Sphere(), (2, 5)),
    (Sphere(), {"a": (3,), "b": (2, 4)}),
    (Torus(), (2,)),
    (Lorentz(), (3,)),
    (Lorentz(2.0), (2, 4)),
    (Lorentz(), {"a": (3,), "b": (2, 4)}),
    (Poincare(), (2,)),
    (Poincare(), (2, 3)),
    (SPD(), (3, 3)),
    (SPD(0.5), (2, 2, 2)),
    (SPD(), {"a": (2, 2), "b": (2, 3, 3)}),
    (LogEuclidean(), (3, 3)),
    (LogEuclidean(0.5), (2, 2, 2)),
    (SO3(), (3, 3)),
    (SO3(IGSO3(0.5)), (2, 3, 3)),
    (SO3(), {"a": (3, 3), "b": (2, 3, 3)}),
    (SE3(), {"shift": (4, 3), "rotation": (4, 3, 3)}),
    (Product(a=Sphere(), b=Torus(), c=Poincare()), {"a": (2, 3), "b": (2,), "c": (2,)}),
    (Torus(period=(1.0, 3.0, 2.0)), (2, 3)),
]
each = pytest.mark.parametrize(("space", "event"), SPACES, ids=lambda v: str(v).replace(" ", ""))
plain = pytest.mark.parametrize(
    ("space", "event"), [s for s in SPACES if isinstance(s[1], tuple)], ids=lambda v: str(v).replace(" ", "")
)


def gen(seed):
    return torch.Generator().manual_seed(seed)


def blank(event, b=8, dtype=F64):
    if isinstance(event, dict):
        return {name: torch.empty(b, *shape, dtype=dtype) for name, shape in event.items()}
    return torch.empty(b, *event, dtype=dtype)


def draw(space, event, seed, b=8, dtype=F64):
    return space.noise(blank(event, b, dtype), generator=gen(seed))


def scale(c, u):
    return map_state(lambda p: c.reshape(-1, *(1,) * (p.ndim - 1)) * p if isinstance(c, torch.Tensor) else c * p, u)


def add(a, b):
    return map_state(torch.add, a, b)


def motion(space, x, seed, length=0.4):
    """Random directions, all shorter than any injectivity radius of the catalogue."""
    u = space.tangent_noise(x, generator=gen(seed))
    return scale(length / space.inner(x, u, u).sqrt(), u)


def test_an_orthant_is_the_part_of_a_sphere_without_signs():
    x, y = (draw(Orthant(), (2, 4), seed) for seed in (0, 1))
    assert min(x.min(), y.min()) >= 0
    u = Orthant().log(x, y)
    close(Orthant().exp(x, u), y)
    halfway = torch.full((8,), 0.5, dtype=F64)
    close(Orthant().move(x, u, halfway), Sphere().move(x, u, halfway))  # the middle of two points is inside
    out = Orthant().move(x, -3 * u, halfway)
    assert out.min() >= 0
    close(out, Sphere().move(x, -3 * u, halfway).abs())
    close(Orthant().noise_log_prob(x), Sphere().noise_log_prob(x) + 8 * math.log(2))
    close(Orthant().project(-x), 0 * x)
    vertices = torch.eye(4, dtype=F64)
    close(Orthant().distance(vertices, vertices.roll(1, 0)), torch.full((4,), math.pi / 2, dtype=F64))


@each
def test_space_is_a_manifold_and_its_noise_reproducible(space, event):
    assert isinstance(space, Space)
    assert isinstance(space, Smooth)
    assert isinstance(space, Manifold)
    assert all(map(torch.equal, leaves(draw(space, event, 0)), leaves(draw(space, event, 0))))
    assert space.noise_log_prob(draw(space, event, 0)).shape == (8,)
    assert space.log_volume(draw(space, event, 0)).shape == (8,)


@each
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_noise_lives_in_the_space_and_the_dtype_is_kept(space, event, dtype):
    x, y = draw(space, event, 0, 64, dtype), draw(space, event, 1, 64, dtype)
    tolerance = 8 * torch.finfo(dtype).eps
    close(space.project(x), x, rtol=tolerance, atol=tolerance)
    u = space.log(x, y)
    found = [x, u, space.exp(x, u), space.tangent(x, u), space.project(x), space.transport(x, y, u)]
    found += [space.tangent_noise(x, generator=gen(2)), space.move(x, u, torch.ones(64))]
    for state in found:
        assert all(leaf.dtype == dtype and leaf.isfinite().all() for leaf in leaves(state))
    for row in (space.inner(x, u, u), space.distance(x, y), space.noise_log_prob(x), space.log_volume(x)):
        assert row.dtype == dtype
        assert row.isfinite().all()


@each
def test_exp_undoes_log_and_log_undoes_exp(space, event):
    x, y = draw(space, event, 0), draw(space, event, 1)
    close(space.exp(x, space.log(x, y)), y)
    u = motion(space, x, 2)
    close(space.log(x, space.exp(x, u)), u)


@each
def test_moving_follows_exp_and_moving_for_no_time_stays(space, event):
    x, y = draw(space, event, 0), draw(space, event, 1)
    u = space.log(x, y)
    close(space.move(x, u, torch.ones(8, dtype=F64)), y)
    close(space.move(x, u, torch.full((8,), 0.3, dtype=F64)), space.exp(x, scale(0.3, u)))
    tolerance = 0.0 if isinstance(space, Euclidean) else 1e-14
    close(space.move(x, u, torch.zeros(8, dtype=F64)), x, rtol=tolerance, atol=tolerance)


@each
def test_projection_is_idempotent_and_orthogonal(space, event):
    x, a, b = draw(space, event, 0), draw(space, event, 1), draw(space, event, 2)
    u = space.tangent(x, a)
    close(space.tangent(x, u), u)
    close(space.tangent(x, space.log(x, b)), space.log(x, b))
    v, w = motion(space, x, 3), motion(space, x, 4)
    close(space.tangent(x, v), v)
    close(space.inner(x, add(w, scale(2.0, v)), v), space.inner(x, w, v) + 2 * space.inner(x, v, v))
    close(space.inner(x, v, w), space.inner(x, w, v))
    assert (space.inner(x, v, v) > 0).all()


@each
def test_distance_is_the_length_of_the_logarithm_and_symmetric(space, event):
    x, y = draw(space, event, 0), draw(space, event, 1)
    u = space.log(x, y)
    close(space.distance(x, y), space.inner(x, u, u).sqrt())
    close(space.distance(x, y), space.distance(y, x))
    assert (space.distance(x, x) <= 1e-15).all()


@each
def test_geodesics_run_at_constant_speed(space, event):
    x, y = draw(space, event, 0), draw(space, event, 1)
    u, s, t = space.log(x, y), 0.2, torch.linspace(0, 1, 8, dtype=F64)
    a, b = space.exp(x, scale(s, u)), space.exp(x, scale(t, u))
    close(space.distance(a, b), (t - s).abs() * space.distance(x, y))


@each
def test_transport_carries_the_velocity_of_a_geodesic_and_keeps_inner_products(space, event):
    x, y, t = draw(space, event, 0), draw(space, event, 1), torch.linspace(0.1, 0.9, 8, dtype=F64)
    u = space.log(x, y)
    at, speed = jvp(lambda t: space.exp(x, scale(t, u)), (t,), (torch.ones_like(t),))
    close(space.transport(x, at, u), speed)
    close(space.transport(x, y, u), scale(-1.0, space.log(y, x)))
    v, w = motion(space, x, 2), motion(space, x, 3)
    there, here = space.transport(x, y, v), space.transport(x, y, w)
    close(space.inner(y, there, here), space.inner(x, v, w))
    close(space.tangent(y, there), there)
    close(space.transport(y, x, there), v)


@each
def test_pull_back_undoes_the_differential_of_exp(space, event):
    x = draw(space, event, 0)
    for length in (0.4, 1e-3, 0.0):
        u = motion(space, x, 1, length)
        v = motion(space, space.exp(x, u), 2)
        w = pull_back(space, x, u, v)
        close(space.tangent(x, w), w)
        _, back = jvp(lambda u: space.exp(x, u), (u,), (w,))
        close(back, v)


@each
def test_tangent_noise_is_standard_normal(space, event):
    """|xi|^2 has mean n and variance 2n; <xi, a> has variance |a|^2, whose estimate has relative variance 2/N."""
    b, n = 4000, space.dimension(blank(event))
    x = map_state(lambda p: p.repeat_interleave(b, 0), draw(space, event, 0, 1))
    xi, a = space.tangent_noise(x, generator=gen(1)), motion(space, x, 2)
    a = map_state(lambda p: p[:1].expand_as(p), a)
    assert abs(float(space.inner(x, xi, xi).mean()) - n) <= 5 * math.sqrt(2 * n / b)
    ratio = space.inner(x, xi, a).square() / space.inner(x, a, a)
    assert abs(float(ratio.mean()) - 1) <= 5 * math.sqrt(2 / b)


def lifted(x):
    """The point of the sheet with the same entries but the first; the nearest one is x_0^2 eps away."""
    rest = x[..., 1:]
    return torch.cat([(1 + rest.square().sum(-1, keepdim=True)).sqrt(), rest], -1)


@plain
def test_points_stay_on_the_space_over_a_thousand_moves_in_float32(space, event):
    x, dt, g = draw(space, event, 0, dtype=torch.float32), torch.full((8,), 0.02), gen(1)
    for _ in range(1000):
        x = space.move(x, space.tangent_noise(x, generator=g), dt)
    exact = lifted(x.to(F64)) if isinstance(space, Lorentz) else space.project(x.to(F64))
    assert (x - exact).abs().amax() <= 1e-6 * max(1.0, float(exact.abs().amax()))


@plain
def test_derivatives_are_finite_where_points_meet(space, event):
    """Reverse and forward mode; where y = x, exp has the identity for its differential, and log its inverse."""
    x = draw(space, event, 0)
    zero, u = torch.zeros_like(x), motion(space, x, 1)
    close(jvp(lambda v: space.exp(x, v), (zero,), (u,))[1], u)
    close(space.tangent(x, jvp(lambda y: space.log(x, y), (x,), (u,))[1]), u)
    for f in (space.exp, space.log, space.distance, lambda p, q: space.transport(p, q, u)):
        p, q = x.clone().requires_grad_(), (zero if f == space.exp else x).clone().requires_grad_()
        for grad in torch.autograd.grad(f(p, q).sum() + 0 * (p + q).sum(), (p, q)):
            assert grad.isfinite().all()
        assert jvp(f, (x, q.detach()), (u, u))[1].isfinite().all()


@plain
def test_first_derivatives_are_those_of_differences(space, event):
    """log and distance along geodesics through x and y; the central quotient errs by O(h^2)."""
    x, y = draw(space, event, 0), draw(space, event, 1)
    u, v = motion(space, x, 2), motion(space, y, 3)
    h = torch.tensor([[1e-4], [-1e-4], [0.0]], dtype=F64).expand(3, 8)
    for f in (space.log, space.distance):
        along = lambda t: f(space.exp(x, scale(t, u)), space.exp(y, scale(t, v)))  # noqa: B023
        _, change = jvp(along, (h[2].clone(),), (torch.ones(8, dtype=F64),))
        close(change, (along(h[0]) - along(h[1])) / 2e-4, rtol=1e-5, atol=1e-5)


@plain
def test_event_axes_before_a_point_make_products(space, event):
    """Two copies side by side: everything acts on each, squares of distances and logarithms of densities add."""
    x, y = draw(space, event, 0), draw(space, event, 1)
    wide = lambda p: p.reshape(4, 2, *event)
    pairs = lambda r: r.reshape(4, 2).sum(1)
    u = space.log(x, y)
    close(space.log(wide(x), wide(y)), wide(u))
    close(space.exp(wide(x), wide(u)), wide(y))
    close(space.tangent(wide(x), wide(y)), wide(space.tangent(x, y)))
    close(space.transport(wide(x), wide(y), wide(u)), wide(space.transport(x, y, u)))
    close(space.project(wide(x)), wide(space.project(x)))
    close(space.distance(wide(x), wide(y)).square(), pairs(space.distance(x, y).square()))
    close(space.inner(wide(x), wide(u), wide(u)), pairs(space.inner(x, u, u)))
    close(space.log_volume(wide(x)), pairs(space.log_volume(x)))
    assert space.dimension(wide(x)) == 2 * space.dimension(x)
    if getattr(space, "reference", None) is None:  # a Student's row has one size for all its coordinates
        close(space.noise_log_prob(wide(x)), pairs(space.noise_log_prob(x)))


@plain
def test_float32_is_float64_rounded(space, event):
    """Draws have lengths, and condition numbers of matrices, of up to 1e2: so many eps.

    On the way inwards coordinates of size x_0 = cosh(r) cancel, so hyperboloids lose another factor x_0.
    """
    x, y = draw(space, event, 0, dtype=torch.float32), draw(space, event, 1, dtype=torch.float32)
    u = space.log(x, y)
    tolerance = 200 * torch.finfo(torch.float32).eps * (float(x.amax()) if isinstance(space, Lorentz) else 1)
    for f, states in [
        (space.log, (x, y)),
        (space.exp, (x, u)),
        (space.distance, (x, y)),
        (space.transport, (x, y, u)),
        (lambda p, q: space.inner(p, q, q), (x, u)),
        (space.noise_log_prob, (x,)),
        (space.log_volume, (x,)),
    ]:
        exact = f(*(s.to(F64) for s in states))
        size = max(1.0, float(exact.abs().amax()))
        assert (f(*states) - exact).abs().amax() <= tolerance * size


@plain
def test_dual_numbers_pass_where_transforms_do(space, event):
    """`core.dual`, for networks, sees the same derivatives as `jvp`."""
    x, y = draw(space, event, 0), draw(space, event, 1)
    u = motion(space, y, 2)
    f = lambda y: space.exp(x, scale(0.5, space.log(x, y)))
    close(dual(f, (y,), (u,)), jvp(f, (y,), (u,)))


@plain
def test_rows_do_not_see_each_other(space, event):
    x, y = draw(space, event, 0), draw(space, event, 1)
    far = torch.cat([y[:1], draw(space, event, 2)[1:]])
    close(space.log(x, far)[0], space.log(x, y)[0], rtol=0, atol=1e-15)
    close(space.distance(x, far)[0], space.distance(x, y)[0], rtol=0, atol=1e-15)


def test_flat_noise_has_its_density():
    x = {"a": draw(Euclidean(), (3,), 0), "b": draw(Euclidean(), (2,), 1)}
    exact = sum(torch.distributions.Normal(0.0, 1.0).log_prob(leaf).sum(1) for leaf in leaves(x))
    close(Euclidean().noise_log_prob(x), exact)
    moved = Euclidean().move(x, map_state(torch.ones_like, x), torch.full((8,), 0.5, dtype=F64))
    close(moved["a"], x["a"] + 0.5)


def orthogonal(n, seed):
    q, _ = torch.linalg.qr(torch.randn(n, n, generator=gen(seed), dtype=F64))
    return q


def boost(n):
    """A rotation of the last n entries, then a boost of rapidity 1.3 in the plane of the first two."""
    turn, push = torch.eye(n + 1, dtype=F64), torch.eye(n + 1, dtype=F64)
    turn[1:, 1:] = orthogonal(n, 0)
    push[:2, :2] = torch.tensor([[math.cosh(1.3), math.sinh(1.3)], [math.sinh(1.3), math.cosh(1.3)]], dtype=F64)
    return turn @ push


def congruent(x, a=None):
    a = torch.randn(3, 3, generator=gen(0), dtype=F64) if a is None else a
    return a @ x @ a.T


def moebius(x):
    """Translation of the ball that takes 0 to (0.4, -0.2)."""
    a = torch.tensor([0.4, -0.2], dtype=F64)
    ax, aa, xx = (x @ a)[:, None], a @ a, x.square().sum(1, keepdim=True)
    return ((1 + 2 * ax + xx) * a + (1 - aa) * x) / (1 + 2 * ax + aa * xx)


R = draw(SO3(), (3, 3), 9, 1)
ISOMETRIES = [
    (Euclidean(), (3,), lambda x: x @ orthogonal(3, 1).T + 2.0),
    (Sphere(), (4,), lambda x: x @ orthogonal(4, 2).T),
    (Centred(), (4, 3), lambda x: x @ orthogonal(3, 4).T),
    (Centred(), (4, 3), lambda x: x[:, [2, 0, 3, 1]]),
    (Torus(), (2,), lambda x: (x + torch.tensor([1.0, 5.0], dtype=F64)).remainder(2 * math.pi)),
    (Lorentz(), (4,), lambda x: x @ boost(3).T),
    (Poincare(), (2,), moebius),
    (SPD(), (3, 3), congruent),
    (SPD(), (3, 3), torch.linalg.inv),
    (LogEuclidean(), (3, 3), lambda x: congruent(x, orthogonal(3, 3))),
    (LogEuclidean(), (3, 3), torch.linalg.inv),
    (SO3(), (3, 3), lambda x: R @ x),
    (SO3(), (3, 3), lambda x: x @ R),
    (SO3(), (3, 3), lambda x: x.mT),
]


@pytest.mark.parametrize(("space", "event", "isometry"), ISOMETRIES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_isometries_carry_everything_along(space, event, isometry):
    x, y = draw(space, event, 0), draw(space, event, 1)
    a, b = isometry(x), isometry(y)
    push = lambda p, u: jvp(isometry, (p,), (u,))[1]
    u, v = space.log(x, y), motion(space, x, 2)
    close(space.distance(a, b), space.distance(x, y))
    close(space.log(a, b), push(x, u))
    close(space.exp(a, push(x, v)), isometry(space.exp(x, v)))
    close(space.inner(a, push(x, u), push(x, v)), space.inner(x, u, v))
    close(space.transport(a, b, push(x, v)), push(y, space.transport(x, y, v)))
    if isinstance(space, (Sphere, Torus, SO3)):
        close(space.noise_log_prob(a), space.noise_log_prob(x))


def symmetric_basis(m):
    i, j = torch.triu_indices(m, m)
    e = torch.zeros(len(i), m, m, dtype=F64)
    e[range(len(i)), i, j] = e[range(len(i)), j, i] = torch.where(i == j, 1.0, math.sqrt(0.5)).to(F64)
    return e


def centred_basis(n, d):
    across = torch.linalg.svd(torch.ones(1, n, dtype=F64)).Vh[1:]
    return torch.einsum("kn,de->kdne", across, torch.eye(d, dtype=F64)).flatten(0, 1)


CHARTS = [
    (Euclidean(), (3,), torch.eye(3, dtype=F64)),
    (Centred(), (4, 2), centred_basis(4, 2)),
    (Torus(), (3,), torch.eye(3, dtype=F64)),
    (Poincare(), (3,), torch.eye(3, dtype=F64)),
    (SPD(), (3, 3), symmetric_basis(3)),
    (LogEuclidean(), (3, 3), symmetric_basis(3)),
]


@pytest.mark.parametrize(("space", "event", "basis"), CHARTS, ids=lambda v: str(v).replace(" ", "")[:20])
def test_log_volume_is_that_of_the_gram_matrix(space, event, basis):
    x = draw(space, event, 0)
    each = lambda e: e.expand(8, *event)
    gram = torch.stack([torch.stack([space.inner(x, each(a), each(b)) for b in basis], -1) for a in basis], -1)
    close(space.log_volume(x), torch.linalg.slogdet(gram).logabsdet / 2)


@plain
def test_squared_length_of_log_has_its_second_derivative_where_points_meet(space, event):
    """|log_x exp_x(s v)|^2 = s^2 |v|^2: forward over reverse at s = 0. (That of `distance` itself is 0 there.)"""
    x = draw(space, event, 0, 1)
    v = motion(space, x, 1)
    square = lambda s: space.inner(x, u := space.log(x, space.exp(x, s * v)), u).sum()
    second = torch.func.jvp(torch.func.grad(square), (torch.zeros((), dtype=F64),), (torch.ones((), dtype=F64),))[1]
    close(second, 2 * space.inner(x, v, v)[0])


@plain
def test_projection_goes_to_the_nearest_point_and_has_a_derivative(space, event):
    """Near the space its differential is that of `tangent`, where the metric is that of the surroundings."""
    x, e = draw(space, event, 0), torch.randn(8, *event, generator=gen(1), dtype=F64)
    near = space.project(x + 1e-3 * e)
    close(space.project(near), near)
    change = jvp(space.project, (x,), (e,))[1]
    close(space.tangent(x, change), change)
    close(change, space.tangent(x, e))
    if not isinstance(space, Lorentz):
        assert ((x + 1e-3 * e - near).flatten(1).norm(dim=1) <= 1e-3 * e.flatten(1).norm(dim=1) * (1 + 1e-9)).all()
