"""Convex domains: laws over all of them, the fold and its differential, sliding along walls, noise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pushforward.core import Incompatible, InvalidInput, Manifold, Pairs, align, jvp, leaves, map_state
from pushforward.fields import FlowSDE, Score
from pushforward.inference import log_prob
from pushforward.paths import Affine, Brownian, CondOT, Cosine, MultiAffine, NaturalSpline, Pairwise, Polynomial
from pushforward.solvers import RK4, Dopri5, Euler, Heun, solve
from pushforward.spaces import (
    Ball,
    Box,
    Concrete,
    Euclidean,
    Polytope,
    Simplex,
    TruncatedNormal,
    half_space,
    has_normal_noise,
    pull_back,
)

F64 = torch.float64
close = torch.testing.assert_close


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def cut_cube(d=4, faces=12):
    """A cube with corners cut off by random planes at distance 1 from the centre."""
    more = torch.nn.functional.normalize(torch.randn(faces - 2 * d, d, generator=gen(1), dtype=F64), dim=1)
    eye = torch.eye(d, dtype=F64)
    return Polytope.of(torch.cat([eye, -eye, more]), torch.ones(faces, dtype=F64))


DOMAINS = {  # space, event shape
    "box": (Box(-0.5, 2.0), (3,)),
    "box per coordinate": (Box((0.0, -1.0, 10.0), (0.1, 4.0, 10.5)), (2, 3)),
    "box, truncated normal": (Box(-1.0, 1.0, TruncatedNormal(0.7)), (3,)),
    "polytope": (cut_cube(), (4,)),
    "polytopes": (cut_cube(3, 8), (2, 3)),
    "half space": (half_space((1.0, 2.0, -2.0), 0.5), (3,)),
    "simplex": (Simplex(), (5,)),
    "simplices": (Simplex(), (3, 4)),
    "simplex, Gumbel-softmax": (Simplex(reference=Concrete(3.0)), (5,)),
    "ball": (Ball(1.5), (4,)),
    "balls": (Ball(0.3), (2, 2)),
}
each = pytest.mark.parametrize("name", DOMAINS)


def draw(name, seed=0, b=64, dtype=F64):
    space, event = DOMAINS[name]
    return space.noise(torch.empty(b, *event, dtype=dtype), generator=gen(seed))


def normal(name, seed, b=64, dtype=F64):
    return torch.randn(b, *DOMAINS[name][1], generator=gen(seed), dtype=dtype)


@each
def test_a_domain_is_a_convex_manifold_with_noise_inside(name):
    space, x = DOMAINS[name][0], draw(name)
    assert isinstance(space, Manifold)
    assert space.convex
    assert not has_normal_noise(space)
    assert space.contains(x).all()
    assert space.noise_log_prob(x).isfinite().all()
    assert torch.equal(x, draw(name))
    close(space.project(x), x, rtol=0, atol=1e-14)
    assert torch.equal(space.log_volume(x), torch.zeros(64, dtype=F64))
    assert draw(name, dtype=torch.float32).dtype == torch.float32
    assert draw(name, dtype=torch.bfloat16).isfinite().all()


@each
def test_exp_undoes_log_and_no_time_moves_nothing(name):
    space, x, y = DOMAINS[name][0], draw(name, 0), draw(name, 1)
    close(space.exp(x, space.log(x, y)), y, rtol=0, atol=1e-13)
    assert torch.equal(space.move(x, normal(name, 2), torch.zeros(64, dtype=F64)), x)
    t = torch.linspace(0, 1, 64, dtype=F64)
    between = space.move(x, space.log(x, y), t)
    close(space.distance(x, between), t * space.distance(x, y), rtol=1e-9, atol=1e-12)
    u = space.tangent(x, normal(name, 3))
    close(space.tangent(x, u), u, rtol=0, atol=1e-14)
    close(space.inner(x, u, 2 * u), 2 * u.flatten(1).square().sum(1))


@each
def test_projection_is_to_the_nearest_point(name):
    """p is it if and only if no point z of the domain lies beyond the plane through p, (y - p) . (z - p) <= 0."""
    space = DOMAINS[name][0]
    y = draw(name) + 3 * normal(name, 1)
    p = space.project(y)
    assert space.contains(p).all()
    corners = torch.cat([space.project(draw(name, k, 200) + 20 * normal(name, k + 5, 200)) for k in range(3)])
    beyond = ((y - p)[:, None] * (corners[None] - p[:, None])).flatten(2).sum(2)
    assert beyond.max() <= 1e-6 * (y - p).flatten(1).norm(dim=1).max() * (corners[:, None] - p).abs().max()


sizes = st.floats(-30, 30, allow_nan=False).map(lambda e: 10.0**e)


@each
@settings(max_examples=60, deadline=None)
@given(size=sizes, seed=st.integers(0, 10_000), single=st.booleans())
def test_no_step_of_any_size_leaves(name, size, seed, single):
    """Judged in float64, where walls are known to 1e-16; the plane of the simplex is kept to rounding."""
    space, dtype = DOMAINS[name][0], torch.float32 if single else F64
    x, u = draw(name, seed, 8, dtype), normal(name, seed + 1, 8, dtype) * size
    y = space.move(x, u, torch.ones(8, dtype=dtype))
    assert y.dtype == dtype
    if isinstance(space, Simplex):
        assert (y >= 0).all()
        close(y.sum(-1), torch.ones(y.shape[:-1], dtype=dtype), rtol=0, atol=20 * torch.finfo(dtype).eps)
    elif isinstance(space, Box):  # its walls are numbers of the states' type
        assert space.contains(y).all()
    else:
        assert space.contains(y.double()).all()


@each
def test_slopes_come_back_through_the_differential_of_the_fold(name):
    space = DOMAINS[name][0]
    x = draw(name)
    size = align(torch.linspace(0, 1, 64, dtype=F64), x)  # of a row: most of them small, and some far out
    u, v = space.tangent(x, size**2 * normal(name, 1)), space.tangent(x, normal(name, 2))
    y, back = space.exp(x, u), pull_back(space, x, u, v)
    folded = (y - x - u).flatten(1).abs().amax(1) > 1e-9
    assert 0.02 < folded.double().mean() < 1
    _, forth = jvp(lambda u: space.exp(x, u), (u,), (back,))
    drawn_in = ~space.contains(y + 1e-9 * (y - x)) & folded  # what reflections did not bring inside sits at the wall
    close(forth[~drawn_in], v[~drawn_in], rtol=1e-7, atol=1e-7)
    assert drawn_in.double().mean() < 0.1
    close(pull_back(space, x, 0 * u, v), v, rtol=0, atol=1e-14)


@each
def test_a_row_does_not_see_its_neighbours_and_axes_before_the_last_are_products(name):
    space, x, u = DOMAINS[name][0], draw(name), 2 * normal(name, 1)
    y = space.exp(x, u)
    close(space.exp(x[:3], u[:3]), y[:3], rtol=0, atol=1e-13)
    many = space.exp(torch.stack([x, x], 1), torch.stack([u, 0 * u], 1))
    close(many[:, 0], y, rtol=0, atol=1e-13)
    assert torch.equal(many[:, 1], x)
    twice = space.noise_log_prob(torch.stack([x, x], 1))
    close(twice, 2 * space.noise_log_prob(x))
    parts = {"a": x, "b": x}
    close(space.noise_log_prob(parts), twice)
    moved = space.exp(parts, map_state(torch.zeros_like, parts))
    assert all(torch.equal(leaf, x) for leaf in leaves(moved))
    assert space.dimension(parts) == 2 * space.dimension(x)


@each
def test_gradients_through_a_step_are_finite(name):
    space = DOMAINS[name][0]
    u = (2 * normal(name, 1)).requires_grad_()
    (g,) = torch.autograd.grad(space.exp(draw(name), u).sin().sum(), u)
    assert g.isfinite().all()


def test_nothing_is_lost_at_the_centre_of_a_ball():
    u = torch.zeros(1, 3, dtype=F64, requires_grad=True)
    (g,) = torch.autograd.grad(Ball(1.0).exp(torch.zeros(1, 3, dtype=F64), u).sum(), u)
    close(g, torch.ones(1, 3, dtype=F64))


# sliding along walls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Euler, Heun, RK4])
@pytest.mark.parametrize("steps", [10, 100, 300])
def test_a_constant_velocity_sticks_to_the_wall_of_a_box(method, steps):
    """Any folded method is within |v| h of clip(x0 + v t), and no nearer than the sheet's numbers say at t = 1."""
    x0 = torch.tensor([[0.3, 0.6, 0.9]], dtype=F64)
    v = torch.tensor([[1.7, -0.4, -1.7]], dtype=F64)
    grid = torch.linspace(0, 1, steps + 1, dtype=F64)
    way = solve(lambda x, t, cond=None: v, x0, grid, solver=method(Box(0.0, 1.0)), save=True).xs
    exact = (x0 + v * grid[:, None, None]).clamp(0, 1)
    assert ((way - exact).abs() <= 1.7 / steps + 1e-12).all()
    if method is Euler:
        assert (way - exact).abs().max() >= 0.5 * 1.7 / steps  # of the order that is claimed, not better


def test_a_polytope_and_a_simplex_stick_as_their_projections_do():
    """From the centre of a face outwards: the limit stays in the face and slides along it with what is tangent."""
    wall = half_space((0.0, 1.0), 1.0)
    v = torch.tensor([[0.5, 2.0]], dtype=F64)
    x = solve(
        lambda x, t, cond=None: v, torch.zeros(1, 2, dtype=F64), [i / 200 for i in range(201)], solver=Euler(wall)
    ).x
    close(x, torch.tensor([[0.5, 1.0]], dtype=F64), rtol=0, atol=2.1 / 200)
    third = torch.full((1, 3), 1 / 3, dtype=F64)
    u = torch.tensor([[-2.0, 1.5, 0.5]], dtype=F64)
    x = solve(lambda x, t, cond=None: u, third, [i / 400 for i in range(201)], solver=Euler(Simplex())).x
    # the face x_1 = 0 is met at t = 1/6; then (u_2, u_3) lose their common part: 1/3 + (1.5 / 6, .5 / 6), then +-.5
    exact = torch.tensor([[0.0, 1 / 3 + 1.5 / 6 + 0.5 / 3, 1 / 3 + 0.5 / 6 - 0.5 / 3]], dtype=F64)
    close(x, exact, rtol=0, atol=math.sqrt(6.5) / 400)


def test_a_constant_velocity_slides_around_a_disc():
    """On the wall theta' = -sin(theta) |v| / R: tan(theta / 2) shrinks like exp(-|v| t / R); Euler's error halves."""
    v, start = torch.tensor([[1.0, 0.0]], dtype=F64), 2.0
    x0 = torch.tensor([[math.cos(start), math.sin(start)]], dtype=F64)
    errors = []
    # v points inwards where cos(theta) < 0: from there it first crosses the disc, straight to the other side
    crossed = math.atan2(math.sin(start), -math.cos(start))
    cross = -2 * math.cos(start)
    for n in (50, 100, 200, 400):
        x = solve(lambda x, t, cond=None: v, x0, torch.linspace(0, 2, n + 1, dtype=F64), solver=Euler(Ball(1.0))).x
        theta = 2 * math.atan(math.tan(crossed / 2) * math.exp(-(2 - cross)))
        errors.append(float((x - torch.tensor([[math.cos(theta), math.sin(theta)]], dtype=F64)).norm()))
        assert errors[-1] <= 2 * 2 / n
    assert errors[-1] < errors[0] / 4


# a flow in closed form -----------------------------------------------------------------------------------------------


def uniform_field(x, t, cond=None):
    """Independent uniforms on [0, 1]: x1 given x_t = x is uniform between these, and v = (E[x1 | x] - x) / (1 - t)."""
    t = t[:, None].clamp(1e-6, 1 - 1e-6)
    low, high = ((x - 1 + t) / t).clamp_min(0), (x / t).clamp_max(1)
    return ((low + high) / 2 - x) / (1 - t)


def test_the_field_of_two_uniforms_is_that_of_the_path():
    path, n = Affine(space=Box(0.0, 1.0)), 400_000
    x0, x1 = (path.space.noise(torch.empty(n, 1, dtype=F64), generator=gen(k)) for k in (0, 1))
    t = torch.full((n,), 0.3, dtype=F64)
    point = path.sample(Pairs((x0, x1)), t)
    assert path.space.contains(point.x).all()
    v = path.velocity(point)[:, 0]
    for x in (0.05, 0.2, 0.5, 0.9):
        rows = (point.x[:, 0] - x).abs() < 0.01
        exact = uniform_field(torch.tensor([[x]], dtype=F64), t[:1])[0, 0]
        # 5 standard errors, and the curvature of v within the bin, below 1e-3
        assert abs(v[rows].mean() - exact) <= 5 * v[rows].std() / rows.sum().sqrt() + 1e-3


def test_it_has_no_flux_through_the_walls_and_needs_no_reflection():
    t = torch.linspace(0.01, 0.99, 50, dtype=F64)
    for wall in (0.0, 1.0):
        close(uniform_field(torch.full((50, 1), wall, dtype=F64), t), torch.zeros(50, 1, dtype=F64), rtol=0, atol=1e-12)
    x0, grid = torch.rand(2000, 1, generator=gen(), dtype=F64), torch.linspace(0, 1, 201, dtype=F64)
    inside = solve(uniform_field, x0, grid, solver=Euler(Box(0.0, 1.0))).x
    free = solve(uniform_field, x0, grid, solver=Euler()).x
    close(inside, free, rtol=0, atol=1e-9)
    assert stats.kstest(inside[:, 0].numpy(), stats.uniform.cdf).pvalue > 1e-3


def test_adaptive_steps_stay_inside_and_are_those_of_flat_space_where_nothing_is_folded():
    """Seldom a trial stage leaves, and is folded: to the tolerance the answers are the same."""
    x0, grid, box = 0.2 + 0.6 * torch.rand(50, 1, generator=gen(), dtype=F64), [0.0, 0.5, 0.9], Box(0.0, 1.0)
    found = solve(uniform_field, x0, grid, solver=Dopri5(1e-7, 1e-7, space=box), save=True)
    flat = solve(uniform_field, x0, grid, solver=Dopri5(1e-7, 1e-7))
    close(found.x, flat.x, rtol=0, atol=1e-7)
    assert all(box.contains(x).all() for x in found.xs)


def test_densities_on_a_domain_are_those_of_the_flow_without_walls():
    """x' = -x / 2 shrinks the box: p(x) = p_0(x e^(1/2)) e^(1/2) for each coordinate, and 0 where that is outside."""
    box = Box(-1.0, 1.0)
    x = torch.tensor([[0.1, -0.5], [0.7, 0.0]], dtype=F64)
    found = log_prob(lambda x, t, cond=None: -0.5 * x, x, solver=RK4(box), times=torch.linspace(1, 0, 21, dtype=F64))
    close(found, torch.tensor([1 - 2 * math.log(2), -math.inf], dtype=F64), rtol=0, atol=1e-6)


# noise ---------------------------------------------------------------------------------------------------------------


def test_the_noise_of_a_box_is_uniform_or_a_truncated_normal():
    box = Box((0.0, -1.0), (0.5, 3.0))
    x = box.noise(torch.empty(5000, 2, dtype=F64), generator=gen())
    close(box.noise_log_prob(x), torch.full((5000,), -math.log(2.0), dtype=F64))
    assert stats.kstest(x[:, 1].numpy(), stats.uniform(-1, 4).cdf).pvalue > 1e-3
    assert box.noise_log_prob(torch.tensor([[0.6, 0.0]], dtype=F64)) == -math.inf
    for s in (0.2, 1.0, 5.0):
        cut = Box(0.0, 4.0, TruncatedNormal(s))  # middle 2, half side 2
        law = stats.truncnorm(-1 / s, 1 / s, loc=2, scale=2 * s)
        x = cut.noise(torch.empty(5000, 1, dtype=F64), generator=gen())
        close(cut.noise_log_prob(x), torch.as_tensor(law.logpdf(x[:, 0].numpy())), rtol=1e-9, atol=1e-9)
        assert stats.kstest(x[:, 0].numpy(), law.cdf).pvalue > 1e-3


def test_the_noise_of_a_ball_is_uniform():
    x = Ball(2.0).noise(torch.empty(5000, 3, dtype=F64), generator=gen())
    close(Ball(2.0).noise_log_prob(x[:1]), torch.tensor([-math.log(4 / 3 * math.pi * 8)], dtype=F64))
    assert stats.kstest(((x.norm(dim=1) / 2) ** 3).numpy(), stats.uniform.cdf).pvalue > 1e-3
    assert stats.kstest((x[:, 0] / x.norm(dim=1)).numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3  # Archimedes


def test_the_noise_of_a_simplex_is_uniform():
    x = Simplex().noise(torch.empty(5000, 3, dtype=F64), generator=gen())
    close(Simplex().noise_log_prob(x[:1]), torch.tensor([-math.log(math.sqrt(3) / 2)], dtype=F64))  # a triangle's area
    assert stats.kstest(x[:, 2].numpy(), stats.beta(1, 2).cdf).pvalue > 1e-3
    assert Simplex().noise_log_prob(torch.tensor([[0.5, 0.6, -0.1]], dtype=F64)) == -math.inf


def test_gumbel_softmax_noise_has_its_density():
    """Against the law of one coordinate of two, logistic; and integrated over the triangle by a midpoint rule."""
    tau, space = 1.7, Simplex(reference=Concrete(1.7))
    x = space.noise(torch.empty(20_000, 2, dtype=F64), generator=gen())
    assert stats.kstest((tau * (x[:, 0] / x[:, 1]).log()).numpy(), "logistic").pvalue > 1e-3
    n = 400
    a, b = (g.flatten() for g in torch.meshgrid(*[(torch.arange(n, dtype=F64) + 0.5) / n] * 2, indexing="ij"))
    x = torch.stack([a, (1 - a) * b, (1 - a) * (1 - b)], 1)  # the square to the triangle, with Jacobian 1 - a
    total = (space.noise_log_prob(x).exp() * math.sqrt(3) * (1 - a)).mean()  # its area element over that of dx1 dx2
    assert abs(total - 1) < 2e-3  # x^(tau - 1) at the edges: n^-tau of a cell, about 4e-5, times its 3 edges


def test_the_noise_of_a_polytope_is_uniform_in_its_largest_ball():
    square = Polytope.of(
        [[2.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [4.0, 0.0, 1.5, 0.5]
    )  # [0, 2] x [-.5, 1.5]
    close(torch.tensor(square.centre), torch.tensor([1.0, 0.5]))
    assert square.radius == pytest.approx(1.0)
    x = square.noise(torch.empty(5000, 2, dtype=F64), generator=gen())
    gap = x - torch.tensor([1.0, 0.5], dtype=F64)
    assert stats.kstest(gap.square().sum(1).numpy(), stats.uniform.cdf).pvalue > 1e-3
    close(square.noise_log_prob(x[:1]), torch.tensor([-math.log(math.pi)], dtype=F64))
    assert square.noise_log_prob(torch.tensor([[0.01, -0.49]], dtype=F64)) == -math.inf


@each
def test_tangent_noise_is_standard_in_the_plane(name):
    space, event = DOMAINS[name]
    z = space.tangent_noise(torch.empty(20_000, *event, dtype=F64), generator=gen())
    close(space.tangent(z, z), z, rtol=0, atol=1e-12)
    square = z.flatten(1).square().sum(1)  # chi2 with as many degrees as there are free coordinates
    d = space.dimension(z)
    assert abs(square.mean() - d) <= 5 * math.sqrt(2 * d / 20_000)


# what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [CondOT(), Polynomial(2)], ids=str)
def test_straight_paths_stay_inside(schedule):
    for name in DOMAINS:
        path = Affine(schedule, space=DOMAINS[name][0])
        point = path.sample(Pairs((draw(name, 0), draw(name, 1))), torch.rand(64, generator=gen(), dtype=F64))
        assert path.space.contains(path.space.project(point.x)).all()
        close(path.space.project(point.x), point.x, rtol=0, atol=1e-12)
        assert MultiAffine(Pairwise(), space=DOMAINS[name][0]).space.convex


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: Affine(Cosine(), space=Box()), Incompatible, "convex combination, and those of Cosine"),
        (lambda: Affine(CondOT(0.1), space=Ball()), Incompatible, "convex combination, and those of CondOT"),
        (lambda: Affine(latent=Brownian(), space=Box()), Incompatible, "latent noise is normal and would leave"),
        (lambda: MultiAffine(NaturalSpline((0.0, 0.25, 0.5, 1.0)), space=Box()), Incompatible, "convex combination"),
        (lambda: FlowSDE(lambda x, t, cond: x, score=Affine(space=Box())), Incompatible, "normal noise.*that of Box"),
        (lambda: Score().check(Affine(space=Simplex())), Incompatible, "Score .*normal noise.*that of Simplex"),
        (lambda: Box(1.0, 1.0), InvalidInput, "the smaller first"),
        (lambda: Box((0.0, 0.0), (1.0, 1.0, 1.0)), InvalidInput, "2 lower and 3 upper"),
        (lambda: Box(0.0, math.inf), InvalidInput, "half_space"),
        (lambda: TruncatedNormal(0.0), InvalidInput, "positive number of half sides"),
        (lambda: Ball(0.0), InvalidInput, "positive, finite"),
        (lambda: Simplex(0), InvalidInput, "at least 1"),
        (lambda: Polytope(((1.0, 0.0),), (0.0,)), InvalidInput, "balls of any size"),
        (lambda: Polytope(((1.0,), (-1.0,)), (0.0, 0.0)), InvalidInput, "no inside"),
        (lambda: Polytope(((1.0,), (-1.0,)), (1.0, 1.0), centre=(0.5,), radius=1.0), InvalidInput, "not inside"),
        (lambda: Polytope(((0.0,),), (1.0,)), InvalidInput, "zero"),
        (lambda: Box((0.0, 0.0), (1.0, 1.0)).noise(torch.empty(2, 3)), InvalidInput, "2 coordinates"),
        (lambda: cut_cube().noise(torch.empty(2, 3)), InvalidInput, "4 coordinates"),
    ],
)
def test_nonsense_is_refused(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_normal_noise_is_that_of_flat_space_alone():
    assert has_normal_noise(Euclidean())
