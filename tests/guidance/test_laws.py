"""What holds for every guidance."""

from types import SimpleNamespace

import pytest
import torch

from pushforward.core import Exact, Field, Incompatible, InvalidInput, jvp
from pushforward.guidance import Autoguidance, CFGZeroStar, ClassifierFree, Guidance, Interval

B, WINDOW = 6, (0.3, 0.7)


def good(x, t, cond):
    """Smooth, nonlinear, row by row; different labels differ by more than a factor."""
    flat = x.flatten(1)
    angle = flat * (1.5 + cond[:, None]) + t[:, None] + torch.arange(flat.shape[1], dtype=x.dtype)
    return (angle.sin() + 0.1 * flat).reshape(x.shape)


def bad(x, t, cond):
    return 0.7 * good(x, t, cond) + 0.2 * x.cos()


MAKERS = {
    "classifier-free": lambda scale, good=good, bad=bad: ClassifierFree(good, scale),
    "own null": lambda scale, good=good, bad=bad: ClassifierFree(good, scale, null=torch.tensor([3])),
    "cfg-zero*": lambda scale, good=good, bad=bad: CFGZeroStar(good, scale),
    "autoguidance": lambda scale, good=good, bad=bad: Autoguidance(good, bad, scale),
}
MAKERS |= {
    f"interval of {name}": lambda *args, make=make: Interval(make(*args), *WINDOW) for name, make in MAKERS.items()
}
TIMES = {"before": torch.full((B,), 0.1), "inside": torch.full((B,), 0.5), "mixed": torch.linspace(0, 1, B)}

every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def draws(shape=(3,), dtype=torch.float32):
    g = torch.Generator().manual_seed(0)
    return torch.randn(B, *shape, generator=g, dtype=dtype), torch.arange(B) % 3


@every
@pytest.mark.parametrize("t", TIMES.values(), ids=TIMES)
def test_the_neutral_scale_gives_the_field_back_bit_for_bit(make, t):
    x, cond = draws()
    assert torch.equal(make(1.0)(x, t, cond), good(x, t, cond))


@every
def test_every_row_in_the_window_is_steered(make):
    x, cond = draws()
    change = make(2.0)(x, TIMES["inside"], cond) - good(x, TIMES["inside"], cond)
    assert change.abs().amax(1).min() > 1e-2


@every
@pytest.mark.parametrize("shape", [(3,), (1, 2, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_shape_and_dtype(make, shape, dtype):
    x, cond = draws(shape, dtype)
    v = make(2.0)(x, TIMES["mixed"].to(dtype), cond)
    assert v.shape == x.shape
    assert v.dtype == dtype


@every
@pytest.mark.parametrize("t", TIMES.values(), ids=TIMES)
def test_a_row_does_not_depend_on_its_neighbours(make, t):
    x, cond = draws()
    alone = [make(2.0)(x[i : i + 1], t[i : i + 1], cond[i : i + 1]) for i in range(B)]
    # 1e-6: torch may round a sum differently when the batch has another size
    torch.testing.assert_close(make(2.0)(x, t, cond), torch.cat(alone), rtol=0, atol=1e-6)


@every
@pytest.mark.parametrize("t", TIMES.values(), ids=TIMES)
def test_a_state_in_two_leaves_is_steered_like_one(make, t):
    def split(v):
        return {"a": v[:, :1], "b": v[:, 1:]}

    def on_leaves(field):
        return lambda x, t, cond: split(field(torch.cat([x["a"], x["b"]], 1), t, cond))

    x, cond = draws((4,))
    v = make(2.0, on_leaves(good), on_leaves(bad))(split(x), t, cond)
    torch.testing.assert_close(torch.cat([v["a"], v["b"]], 1), make(2.0)(x, t, cond))


@every
def test_forward_mode_and_the_exact_divergence_pass_through(make):
    """A guided field can be integrated for its likelihood: divergence and time derivative against differences."""
    x, cond = draws((3,), torch.float64)
    t = TIMES["mixed"].double() + 0.05  # no row at an end of the window
    field, exact = make(2.0), Exact()
    value, divergence = exact(lambda x: field(x, t, cond), x, exact.probes(x))
    h = 1e-5
    basis = torch.eye(3, dtype=x.dtype)
    slopes = [(field(x + h * e, t, cond) - field(x - h * e, t, cond)) @ e / (2 * h) for e in basis]
    torch.testing.assert_close(value, field(x, t, cond))
    torch.testing.assert_close(divergence, torch.stack(slopes).sum(0), rtol=0, atol=1e-7)  # h^2 and 1e-16 / h
    _, slope = jvp(lambda t: field(x, t, cond), (t,), (torch.ones_like(t),))
    difference = (field(x, t + h, cond) - field(x, t - h, cond)) / (2 * h)
    torch.testing.assert_close(slope, difference, rtol=0, atol=1e-7)


@every
def test_is_a_field_and_frozen(make):
    guidance = make(2.0)
    assert isinstance(guidance, Field)
    with pytest.raises(AttributeError):
        guidance.scale = 3.0


@pytest.mark.parametrize("name", ["classifier-free", "own null", "cfg-zero*", "autoguidance"])
def test_plain_and_guided_come_from_one_evaluation(name):
    x, cond = draws()
    t, guidance = TIMES["mixed"], MAKERS[name](2.0)
    assert isinstance(guidance, Guidance)
    guided, plain = guidance.with_plain(x, t, cond)
    assert torch.equal(guided, guidance(x, t, cond))
    assert torch.equal(plain, guidance.plain(x, t, cond))
    assert torch.equal(plain, good(x, t, cond))


@pytest.mark.parametrize("scale", [-0.5, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["classifier-free", "cfg-zero*", "autoguidance"])
def test_senseless_scales_are_refused(name, scale):
    with pytest.raises(InvalidInput, match=f"scale={scale}"):
        MAKERS[name](scale)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("name", ["classifier-free", "cfg-zero*", "interval of classifier-free"])
def test_guiding_towards_nothing_is_refused(name, scale):
    x, _ = draws()
    for t in TIMES.values():
        with pytest.raises(InvalidInput, match="cond=None"):
            MAKERS[name](scale)(x, t)


def test_a_field_without_a_plain_side_has_no_interval():
    """Asked of __post_init__ itself: while tests run, beartype refuses the argument first."""
    with pytest.raises(Incompatible, match="Interval got function, expected a guidance"):
        Interval.__post_init__(SimpleNamespace(guidance=good, low=0.2, high=0.8))


class Regular:
    """A field with a span."""

    def __init__(self, low, high):
        self.span = (low, high)

    def __call__(self, x, t, cond=None):
        return x


@every
def test_a_guided_field_may_be_followed_where_its_parts_may(make):
    assert make(2.0).span == (0.0, 1.0)
    low, high = make(2.0, Regular(0.1, 0.9), Regular(0.0, 0.8)).span
    assert (low, high) == (0.1, 0.8 if "autoguidance" in str(make(2.0)).lower() else 0.9)
