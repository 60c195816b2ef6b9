"""The law of paths, the ends, the pivot between parametrisations, and the change of schedule."""

from types import SimpleNamespace

import pytest
import torch

from pushforward.core import Coeffs, Estimate, Incompatible, InvalidInput, Pairs, jvp
from pushforward.core.state import align
from pushforward.fields import Dirac
from pushforward.paths import (
    Affine,
    Brownian,
    CondOT,
    Constant,
    Cosine,
    EncodingDecoding,
    KineticOptimal,
    LinearVP,
    Mirror,
    MultiAffine,
    NaturalSpline,
    Polynomial,
    Rescheduled,
    SineSquared,
    Trigonometric,
    VarianceExploding,
    VariancePreserving,
)
from pushforward.spaces import Euclidean

SCHEDULES = [
    CondOT(),
    CondOT(0.05),
    Polynomial(2),
    Cosine(),
    LinearVP(),
    VariancePreserving(),
    VarianceExploding(),
    KineticOptimal((0.3, 0.5, 0.9, 1.0)),
]
PATHS = [Affine(s) for s in SCHEDULES] + [
    Affine(CondOT(), latent=Brownian(0.7)),
    Affine(Cosine(), latent=Brownian(1.3)),
    Affine(CondOT(), latent=Constant(0.1)),
    Affine(CondOT(), latent=SineSquared(0.8)),
    Affine(Trigonometric(Brownian(1.3)), latent=Brownian(1.3)),
    Affine(EncodingDecoding(), latent=SineSquared()),
    Affine(Mirror(), latent=Brownian(0.7)),
    MultiAffine(NaturalSpline()),
]


def below_zero(t):
    """A schedule whose sigma ends a rounding below 0."""
    return Coeffs(t, 1 - t - 1e-7 * t, torch.ones_like(t), -(1 + 1e-7) * torch.ones_like(t))


each_path = pytest.mark.parametrize("path", PATHS, ids=repr)


def pairs_of(*event, b=16, dtype=torch.float64):
    g = torch.Generator().manual_seed(7)
    return Pairs(tuple(torch.randn(b, *event, generator=g, dtype=dtype) for _ in range(2)))


@each_path
@pytest.mark.parametrize("event", [(3,), (2, 4, 4)])
def test_velocity_is_the_time_derivative_of_sample(path, event):
    pairs = pairs_of(*event)
    t = torch.linspace(0.05, 0.95, 16, dtype=torch.float64)
    draw = lambda t: path.sample(pairs, t, generator=torch.Generator().manual_seed(3)).x
    _, slope = jvp(draw, (t,), (torch.ones_like(t),))
    point = path.sample(pairs, t, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(path.velocity(point), slope, rtol=1e-9, atol=1e-9)


def test_a_latent_that_vanishes_smoothly_moves_smoothly_up_to_the_ends():
    pairs, path = pairs_of(3, b=8), Affine(EncodingDecoding(), latent=SineSquared())
    t = torch.tensor([0.0, 1e-9, 1e-5, 1e-3, 1 - 1e-3, 1 - 1e-5, 1 - 1e-9, 1.0], dtype=torch.float64)
    draw = lambda t: path.sample(pairs, t, generator=torch.Generator().manual_seed(3)).x
    _, slope = jvp(draw, (t,), (torch.ones_like(t),))
    point = path.sample(pairs, t, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(path.velocity(point), slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("latent", [Brownian(2.0), SineSquared(2.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_velocity_with_latent_noise_is_finite_at_both_ends(latent, dtype):
    path, t = Affine(CondOT(), latent=latent), torch.tensor([0.0, 1.0], dtype=dtype)
    assert path.velocity(path.sample(pairs_of(3, b=2, dtype=dtype), t)).isfinite().all()


def test_velocity_of_mappings_is_that_of_their_leaves():
    flat = pairs_of(3)
    both = Pairs(tuple({"a": x[:, :1], "b": x[:, 1:]} for x in flat.anchors))
    t = torch.full((16,), 0.3, dtype=torch.float64)
    path = Affine(Cosine())
    whole = path.velocity(path.sample(flat, t))
    parts = path.velocity(path.sample(both, t))
    torch.testing.assert_close(torch.cat([parts["a"], parts["b"]], 1), whole)


@pytest.mark.parametrize(
    "path",
    [
        Affine(CondOT()),
        Affine(Polynomial(2)),
        Affine(Cosine()),
        Affine(LinearVP()),
        Affine(CondOT(), SineSquared()),
        Affine(Trigonometric(Brownian()), Brownian()),
        Affine(EncodingDecoding(), SineSquared()),
    ],
    ids=repr,
)
def test_ends_meet_the_anchors(path):
    pairs = pairs_of(2)
    for end, anchor in [(0.0, pairs.x0), (1.0, pairs.x1)]:
        x = path.sample(pairs, torch.full((16,), end, dtype=torch.float64)).x
        torch.testing.assert_close(x, anchor, rtol=0, atol=1e-15)


def test_a_mirror_starts_and_ends_at_the_data():
    pairs = pairs_of(2)
    for end in (0.0, 1.0):
        x = Affine(Mirror(), Brownian(0.7)).sample(pairs, torch.full((16,), end, dtype=torch.float64)).x
        assert torch.equal(x, pairs.x1)


@pytest.mark.parametrize("path", [p for p in PATHS if isinstance(p, Affine)], ids=repr)
def test_the_mirrored_draw_has_the_other_sign_of_the_same_noise(path):
    pairs, t = pairs_of(2, 3), torch.linspace(0.05, 0.95, 16, dtype=torch.float64)
    point = path.sample(pairs, t, generator=torch.Generator().manual_seed(3))
    other = path.mirrored(point)
    c = path.coeffs(t)
    ends = align(c.alpha, point.x) * pairs.x1 + align(c.sigma, point.x) * pairs.x0
    torch.testing.assert_close((point.x + other.x) / 2, ends, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        (path.velocity(point) + path.velocity(other)) / 2, path.velocity(point._replace(latent=None))
    )
    if path.latent is not None:
        assert torch.equal(other.latent, -point.latent)
        again = path.mirrored(other)
        torch.testing.assert_close(again.x, point.x, rtol=1e-12, atol=1e-12)


def test_latent_noise_vanishes_at_the_ends_of_a_bridge_and_not_of_a_blur():
    pairs = pairs_of(2)
    zero = torch.zeros(16, dtype=torch.float64)
    bridge = Affine(CondOT(), latent=Brownian(2.0)).sample(pairs, zero, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(bridge.x, pairs.x0, rtol=0, atol=0)
    blur = Affine(CondOT(), latent=Constant(0.1)).sample(pairs, zero, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blur.x - pairs.x0, 0.1 * blur.latent)


@pytest.mark.parametrize("path", [Affine(s) for s in SCHEDULES], ids=repr)
def test_every_parametrisation_gives_the_others_back(path):
    """The conditional pair itself is a field: x1, x0 and the velocity of one pair determine each other."""
    pairs = pairs_of(2, 3)
    t = torch.linspace(0.1, 0.9, 16, dtype=torch.float64)
    point = path.sample(pairs, t)
    u = path.velocity(point)
    ends = Estimate(pairs.x1, pairs.x0)
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-8)
    for found in (
        path.estimate(u, point.x, t),
        path.from_endpoint(pairs.x1, point.x, t),
        path.from_noise(pairs.x0, point.x, t),
    ):
        close(found.x1, ends.x1)
        close(found.x0, ends.x0)
        close(path.motion(found, t), u)
    close(path.drift(Dirac(pairs.x1), point.x, t), u)


def test_one_datum_is_hit_exactly_by_euler_for_any_number_of_steps():
    """Sheet 1: with smin = 0 the optimal field for one datum c is (c - x)/(1 - t)."""
    c, path = torch.tensor([[1.5, -2.0]], dtype=torch.float64), Affine(CondOT())
    for steps in (1, 3, 10):
        x = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
        for k in range(steps):
            x = x + path.drift(Dirac(c), x, torch.tensor([k / steps], dtype=torch.float64)) / steps
        torch.testing.assert_close(x, c, rtol=0, atol=1e-14)


def test_a_path_at_rest_tells_the_end_that_the_state_is():
    """No velocity does: where W = 0 both ends move x alike."""
    x = pairs_of(2).x0
    for path, t, ends in (
        (Affine(Polynomial(2.0)), 0.0, (0 * x, x)),
        (Affine(Mirror()), 0.3, (x, 0 * x)),
    ):
        found = path.estimate(0 * x, x, torch.full((len(x),), t, dtype=x.dtype))
        torch.testing.assert_close((found.x1, found.x0), ends, rtol=0, atol=1e-12)


def test_latent_noise_hides_the_ends():
    path = Affine(CondOT(), latent=Brownian())
    x = torch.zeros(2, 2)
    with pytest.raises(Incompatible, match="latent noise"):
        path.estimate(x, x, torch.full((2,), 0.5))


def test_only_flat_spaces_add_points():
    class Curved:
        def move(self, x, u, dt, *, generator=None): ...
        def noise(self, like, *, generator=None): ...

    with pytest.raises(Incompatible, match="Euclidean"):
        Affine(CondOT(), space=Curved())


@pytest.mark.parametrize(
    ("schedule", "latent", "match"),
    [
        (Cosine, None, r"Affine.schedule is the class Cosine, expected an instance; write Cosine\(\)"),
        ("cosine", None, r"Affine.schedule is 'cosine', expected times to alpha, .* CondOT\(\)"),
        (CondOT(), 0.1, r"Affine.latent is 0.1, expected times to gamma .* Constant\(0.1\)"),
        (CondOT(), Brownian, "Affine.latent is the class Brownian"),
    ],
)
def test_parts_of_another_kind_are_refused(schedule, latent, match):
    """Asked of __post_init__ itself: while tests run, beartype refuses the arguments first."""
    with pytest.raises(Incompatible, match=match):
        Affine.__post_init__(SimpleNamespace(schedule=schedule, latent=latent, space=Euclidean()))


def test_plain_functions_are_schedules_and_latents():
    straight = lambda t: Coeffs(t, 1 - t, torch.ones_like(t), -torch.ones_like(t))
    path = Affine(straight, latent=lambda t: (0 * t, 0 * t))
    pairs, t = pairs_of(3), torch.linspace(0, 1, 16, dtype=torch.float64)
    torch.testing.assert_close(path.sample(pairs, t).x, Affine(CondOT()).sample(pairs, t).x)


@pytest.mark.parametrize(
    ("x0", "x1", "match"),
    [
        (torch.zeros(4, 2), torch.zeros(4, 3), r"x0 has shape \[4, 2\] and x1 has \[4, 3\]"),
        (torch.zeros(4, 1), torch.zeros(4, 3), r"\[4, 1\] and x1 has \[4, 3\]"),
        ({"a": torch.zeros(4, 2)}, torch.zeros(4, 2), r"\{a: \[4, 2\]\} and x1 has \[4, 2\]"),
    ],
)
def test_ends_of_different_shapes_are_refused(x0, x1, match):
    with pytest.raises(InvalidInput, match=match):
        Affine().sample(Pairs((x0, x1)), torch.full((4,), 0.5))


@pytest.mark.parametrize("latent", [None, Brownian(0.0), lambda t: (t * (1 - t) * (t - 0.5), 0 * t)])
def test_a_path_on_which_all_rows_meet_is_refused(latent):
    with pytest.raises(Incompatible, match=r"EncodingDecoding .* all 0 at t = 1/2"):
        Affine(EncodingDecoding(), latent)


@pytest.mark.parametrize("latent", [Brownian, Constant, SineSquared])
@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_senseless_widths_of_latent_noise_are_refused(latent, scale):
    assert latent(0.0)(torch.full((1,), 0.5))[0] == 0
    with pytest.raises(InvalidInput, match=f"{latent.__name__} needs a finite scale >= 0, got {scale}"):
        latent(scale)


@pytest.mark.parametrize("new", SCHEDULES, ids=repr)
@pytest.mark.parametrize("old", SCHEDULES, ids=repr)
def test_schedule_change_of_a_pair_is_the_new_schedule_of_that_pair(old, new):
    """For one pair the path is deterministic, so the converted velocity at its point is the new velocity, exactly."""
    pairs = pairs_of(2)
    r = torch.linspace(0.05, 0.95, 16, dtype=torch.float64)
    ratio = lambda s, t: s(t).alpha / s(t).sigma
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    low, high = ratio(old, ends)
    inside = (ratio(new, r) >= low) & (ratio(new, r) <= high)
    before, after = Affine(old), Affine(new)
    point = after.sample(pairs, r)
    conditional = lambda x, t, cond=None: before.velocity(before.sample(pairs, t))
    found = Rescheduled(conditional, old, new)(point.x, r)
    exact = after.velocity(point)
    torch.testing.assert_close(found[inside], exact[inside], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("new", [*SCHEDULES, pytest.param(below_zero, id="below_zero")], ids=repr)
@pytest.mark.parametrize("old", SCHEDULES, ids=repr)
def test_schedule_change_is_finite_at_both_ends(old, new, dtype):
    """And asks the old field at its own ends where the new schedule has no noise, or nothing else, left."""
    asked = []
    field = lambda x, t, cond=None: asked.append(t) or align(1 - t, x) * x
    x, ends = torch.ones(2, 3, dtype=dtype), torch.tensor([0.0, 1.0], dtype=dtype)
    assert torch.isfinite(Rescheduled(field, old, new)(x, ends)).all()
    c, (then,) = new(ends), asked
    assert (then[c.alpha <= 0] <= 1e-4).all()  # a schedule at rest is asked a little later
    assert (then[c.sigma <= 0] == 1).all()


def test_schedule_change_needs_an_inverse():
    with pytest.raises(Incompatible, match="time_at_snr"):
        Rescheduled(lambda x, t, cond=None: x, lambda t: None, CondOT())


def test_schedule_change_needs_a_ratio_that_rises():
    with pytest.raises(Incompatible, match="EncodingDecoding does not rise"):
        Rescheduled(lambda x, t, cond=None: x, CondOT(), EncodingDecoding())
