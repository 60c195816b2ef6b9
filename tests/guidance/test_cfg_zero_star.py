import pytest
import torch

from pushforward.core import InvalidInput, align
from pushforward.guidance import CFGZeroStar


def pair(weak, strong):
    """The field that answers with `weak` under the null label and with `strong` otherwise."""

    def field(x, t, cond):
        rows = torch.arange(len(x)) % len(weak)
        return torch.where(align(cond < 0, x), weak[rows], strong[rows])

    return field


def guided(weak, strong, scale, **more):
    rows = len(weak)
    field = CFGZeroStar(pair(weak, strong), scale, **more)
    return field(torch.zeros_like(weak), torch.full((rows,), 0.5), torch.zeros(rows, dtype=torch.int64))


def motions(*shape):
    g = torch.Generator().manual_seed(0)
    weak, strong = torch.randn(2, 5, *shape, generator=g, dtype=torch.float64)
    return weak, strong


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
def test_scale_zero_leaves_the_projection_of_the_conditional_on_the_unconditional(shape):
    """The residual v_c - s* v_u is orthogonal to v_u row by row, up to the 1e-8 in the denominator."""
    weak, strong = motions(*shape)
    fit = guided(weak, strong, 0.0)
    rest = strong - fit
    inner = (rest * weak).flatten(1).sum(1)
    size = strong.flatten(1).norm(dim=1) * weak.flatten(1).norm(dim=1)
    assert (inner.abs() / size).max() < 1e-7
    ratio = (fit / weak).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))  # one multiple a row


def test_the_guidance_acts_along_the_residual_only():
    weak, strong = motions(3)
    push = guided(weak, strong, 4.0) - strong
    assert ((push * weak).sum(1).abs() / weak.norm(dim=1)).max() < 1e-7
    assert push.norm(dim=1).min() > 0.1


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
def test_parallel_motions_give_the_conditional_one(scale):
    weak, _ = motions(3)
    strong = torch.linspace(-2, 3, 5, dtype=torch.float64)[:, None] * weak
    torch.testing.assert_close(guided(weak, strong, scale), strong, rtol=0, atol=1e-6)  # 1e-8 w / |v_u|^2


def test_in_dimension_one_every_scale_gives_the_conditional_field(gaussians):
    """One number is always a multiple of another, up to what the 1e-8 leaves: (w - 1) 1e-8 v_c / v_u^2."""
    field = gaussians(mean=(0.3, 1.5), variance=(4.0, 1.0))
    g = torch.Generator().manual_seed(0)
    x, t = torch.randn(50, 1, generator=g, dtype=torch.float64), torch.linspace(0, 1, 50, dtype=torch.float64)
    cond = torch.zeros(50, dtype=torch.int64)
    weak, strong = field(x, t, cond - 1), field(x, t, cond)
    error = (CFGZeroStar(field, 3.0)(x, t, cond) - strong).abs()
    assert (error <= 2e-8 * strong.abs() / weak**2 + 1e-14).all()
    assert weak.abs().min() > 1e-3  # so the bound says something: below 1 % even there


def test_half_precision_rounds_once():
    """The projection is right to one rounding, 2^-8 in bfloat16; s* in bfloat16 would add a second one."""
    weak, strong = (v.bfloat16() for v in motions(64))
    fit = guided(weak, strong, 0.0)
    assert fit.dtype == torch.bfloat16
    u, v = weak.double(), strong.double()
    exact = (u * v).sum(1, keepdim=True) / u.square().sum(1, keepdim=True) * u
    assert (fit.double() / exact - 1).abs().max() < 1.01 * 2**-8


def test_a_vanishing_unconditional_motion_is_no_nan():
    _, strong = motions(3)
    torch.testing.assert_close(guided(torch.zeros_like(strong), strong, 2.0), 2 * strong)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_pause_is_zero_row_by_row_and_ends_at_its_time(gaussians, scale):
    t = torch.tensor([0.0, 0.19, 0.2, 0.5])
    x, cond = torch.full((4, 1), 2.0), torch.zeros(4, dtype=torch.int64)
    field = gaussians(variance=(4.0, 0.25))
    v = CFGZeroStar(field, scale, zero_until=0.2)(x, t, cond)
    assert torch.equal(v[:2], torch.zeros(2, 1))
    assert torch.equal(v[2:], CFGZeroStar(field, scale)(x, t, cond)[2:])


def test_the_pause_biases_an_exact_field_as_it_must(gaussians, stretched):
    """S / (t^2 S + (1 - t)^2) for S = 1/4 and t = 1/5 is 0.38462, control.md C3 check 5."""
    variance = stretched(CFGZeroStar(gaussians(variance=(4.0, 0.25)), 1.0, zero_until=0.2))
    assert variance == pytest.approx(0.25 / (0.04 * 0.25 + 0.64), abs=1e-6)
    assert variance == pytest.approx(0.38462, abs=5e-6)


def test_one_evaluation_of_twice_the_rows(gaussians):
    field = gaussians()
    CFGZeroStar(field, 2.0)(torch.ones(4, 1), torch.zeros(4), torch.zeros(4, dtype=torch.int64))
    assert field.rows == [8]


@pytest.mark.parametrize("zero_until", [-0.1, 1.0, float("nan")])
def test_a_pause_outside_the_unit_interval_is_refused(gaussians, zero_until):
    with pytest.raises(InvalidInput, match="zero_until="):
        CFGZeroStar(gaussians(), 2.0, zero_until=zero_until)
