"""What holds for every network."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn

from pushforward.core import Exact, Incompatible, InvalidInput, align, jvp, null_condition
from pushforward.nets import EGNN, MLP, DiT, HashGrid, ResidualMLP, UNet

B = 4


class Case(NamedTuple):
    build: Callable[..., nn.Module]
    shape: tuple[int, ...]
    zero: bool  # whether it starts as the zero field
    times: int = 1


NETS = {
    "mlp": Case(partial(MLP, width=16), (3,), False),
    "mlp, one hidden layer, tanh": Case(partial(MLP, width=16, depth=1, activation="tanh"), (2, 2), False),
    "residual mlp": Case(partial(ResidualMLP, width=16, depth=2, context=8), (3,), True),
    "residual mlp on images": Case(partial(ResidualMLP, width=16, depth=1, context=8), (1, 4, 4), True),
    "hash grid": Case(partial(HashGrid, width=32, levels=3, finest=32, entries=6), (3,), False),
    "unet": Case(partial(UNet, width=8, multipliers=(1, 2), attention=4), (2, 8, 8), True),
    "unet, odd sides": Case(partial(UNet, width=8, multipliers=(1, 1, 2), blocks=2, attention=0), (1, 7, 5), True),
    "egnn": Case(partial(EGNN, width=16, depth=2), (4, 3), True),
    "egnn of two species": Case(partial(EGNN, width=16, depth=1, species=(0, 1, 0)), (3, 2), True),
    "dit": Case(partial(DiT, width=16, depth=2, heads=2), (1, 4, 6), True),
    "dit, one patch a pixel": Case(partial(DiT, width=16, depth=1, heads=1, patch=1), (2, 3, 3), True),
}
TWO = {
    f"{name}, two times": Case(partial(case.build, times=2), case.shape, case.zero, 2)
    for name, case in NETS.items()
    if name in ("mlp", "residual mlp", "unet", "dit", "egnn")
}
NETS |= TWO
two = pytest.mark.parametrize("case", TWO.values(), ids=TWO)
every = pytest.mark.parametrize("case", NETS.values(), ids=NETS)
CONDITIONS = {
    "none": ({}, None),
    "labels": ({"classes": 5}, torch.tensor([0, 4, 2, 0])),
    "vectors": ({"features": 3}, torch.linspace(-1, 1, 12).reshape(4, 3)),
}
conditions = pytest.mark.parametrize(("sizes", "cond"), CONDITIONS.values(), ids=CONDITIONS)


def draws(case, dtype=torch.float32):
    g = torch.Generator().manual_seed(0)
    x, t = torch.randn(B, *case.shape, generator=g, dtype=dtype), torch.rand(B, generator=g, dtype=dtype)
    return x, t if case.times == 1 else torch.stack([t, (1 + t) / 2], 1)


def as_dtype(cond, dtype):
    return cond.to(dtype) if cond is not None and cond.is_floating_point() else cond


@every
@conditions
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_answers_with_the_shape_and_dtype_of_the_state(case, sizes, cond, dtype):
    x, t = draws(case, dtype)
    out = case.build(list(case.shape), **sizes).to(dtype)(x, t, as_dtype(cond, dtype))  # a list, as YAML gives it
    assert out.shape == x.shape
    assert out.dtype == dtype
    assert bool((out == 0).all()) == case.zero


@every
def test_several_quantities_lie_side_by_side_on_the_first_event_axis(case, perturbed):
    net, (x, t) = perturbed(case.build(case.shape, outputs=3)), draws(case)
    out = net(x, t)
    assert out.shape == (B, 3 * case.shape[0], *case.shape[1:])
    parts = out.chunk(3, 1)
    assert all(not torch.equal(parts[0], part) for part in parts[1:])
    assert net(x[:0], t[:0]).shape == (0, *out.shape[1:])
    with pytest.raises(InvalidInput, match="outputs=0, expected at least 1"):
        case.build(case.shape, outputs=0)


@every
def test_the_batch_may_be_one_row_or_none(case, perturbed):
    net, (x, t) = perturbed(case.build(case.shape)), draws(case)
    assert net(x[:1], t[:1]).shape == (1, *case.shape)
    assert net(x[:0], t[:0]).shape == (0, *case.shape)


@every
@conditions
def test_a_gradient_reaches_every_parameter(case, sizes, cond, perturbed):
    net, (x, t) = perturbed(case.build(case.shape, **sizes)), draws(case)
    if cond is not None:
        cond = torch.cat([cond[:3], null_condition(cond[3:])])
    (net(x, t, cond) - x).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().max() > 0, name


@every
@conditions
def test_a_row_does_not_depend_on_its_neighbours(case, sizes, cond, perturbed):
    """Bit for bit: the other rows become something else entirely."""
    net, (x, t) = perturbed(case.build(case.shape, **sizes)), draws(case)
    keep = torch.tensor([False, True, False, False])
    y, s = torch.where(keep.reshape(B, *[1] * (x.ndim - 1)), x, 7 - 3 * x), torch.where(align(keep, t), t, 1 - t)
    other = None if cond is None else torch.where(keep.reshape(B, *[1] * (cond.ndim - 1)), cond, null_condition(cond))
    before, after = net(x, t, cond), net(y, s, other)
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[0], after[0])


@every
@pytest.mark.parametrize("name", ["labels", "vectors"])
def test_the_null_condition_equals_no_condition_and_no_other(case, name, perturbed):
    sizes, cond = CONDITIONS[name]
    net, (x, t) = perturbed(case.build(case.shape, **sizes)), draws(case)
    assert torch.equal(net(x, t, null_condition(cond)), net(x, t, None))
    difference = (net(x, t, cond) - net(x, t, None)).flatten(1).abs().amax(1)
    assert (difference > 1e-4).all()


@every
def test_time_and_state_matter(case, perturbed):
    net, (x, t) = perturbed(case.build(case.shape)), draws(case)
    assert ((net(x, 0.5 * t) - net(x, t)).flatten(1).abs().amax(1) > 1e-4).all()
    assert ((net(0.5 * x, t) - net(x, t)).flatten(1).abs().amax(1) > 1e-4).all()


@every
@conditions
def test_forward_mode_equals_the_central_difference(case, sizes, cond, perturbed):
    """In state and time at once; with h = 1e-6 the quotient errs by h^2 100^3 / 6 = 2e-7 (the highest frequency of the
    time embedding is 100) and by rounding, 1e-16 / h."""
    net, (x, t) = perturbed(case.build(case.shape, **sizes)).double(), draws(case, torch.float64)
    cond = as_dtype(cond, torch.float64)
    direction = (x.flip(0), torch.ones_like(t))
    value, slope = jvp(lambda x, t: net(x, t, cond), (x, t), direction)
    _, difference = jvp(lambda x, t: net(x, t, cond), (x, t), direction, difference=1e-6)
    torch.testing.assert_close(value, net(x, t, cond), rtol=0, atol=1e-12)
    torch.testing.assert_close(slope, difference, rtol=1e-6, atol=1e-6)


@every
def test_forward_mode_is_differentiable_in_the_parameters(case, perturbed):
    """What MeanFlow without its stop-gradient, and a divergence in a loss, need: reverse over forward mode."""
    net, (x, t) = perturbed(case.build(case.shape)).double(), draws(case, torch.float64)
    p = next(q for n, q in net.named_parameters() if n.startswith(("first", "layers.0")) and q.ndim > 1)

    def loss():
        _, slope = jvp(net, (x, t), (x.flip(0), torch.ones_like(t)))
        return slope.square().sum()

    (gradient,) = torch.autograd.grad(loss(), p)
    step, h = torch.randn(p.shape, generator=torch.Generator().manual_seed(3), dtype=p.dtype), 1e-6
    with torch.no_grad():
        p += h * step
        ahead = loss()
        p -= 2 * h * step
        behind = loss()
    torch.testing.assert_close((gradient * step).sum(), (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-6)


@every
def test_the_exact_divergence_is_the_trace_of_the_jacobian(case, perturbed):
    """Forward mode mapped over directions, against reverse mode row by row."""
    net, (x, t) = perturbed(case.build(case.shape)).double(), draws(case, torch.float64)
    exact = Exact()
    with torch.no_grad():
        value, divergence = exact(lambda x: net(x, t), x, exact.probes(x))
    torch.testing.assert_close(value, net(x, t), rtol=0, atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(lambda row: net(row[None], t[:1])[0], x[0])
    torch.testing.assert_close(divergence[0], jacobian.reshape(x[0].numel(), -1).trace())


@every
def test_bfloat16_autocast_stays_near(case, perturbed):
    """bf16 has 8 bits, so a result of order one may move by a few times 2^-8."""
    net, (x, t) = perturbed(case.build(case.shape, classes=5)), draws(case)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x, t, torch.arange(B))
        out.float().square().sum().backward()
    exact = net(x, t, torch.arange(B))
    assert out.shape == x.shape
    assert (out - exact).norm() < 0.03 * exact.norm()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@every
def test_weights_travel_through_a_state_dict(case, perturbed):
    net, (x, t) = perturbed(case.build(case.shape, classes=5)), draws(case)
    twin = case.build(case.shape, classes=5)
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin(x, t), net(x, t))


@every
def test_a_state_of_another_shape_is_refused(case):
    with pytest.raises(InvalidInput, match=r"x has shape \[4, .*this network was built for \[B, "):
        case.build(case.shape)(torch.zeros(B, *case.shape[:-1], case.shape[-1] + 1), torch.zeros(B))


@every
@pytest.mark.parametrize(
    ("sizes", "cond", "message"),
    [
        (
            {"classes": 5},
            torch.zeros(B),
            r"float32 of shape \[4\], expected int64 labels of shape \[4\]; use cond.long",
        ),
        ({"classes": 5}, torch.zeros(B, 1).long(), r"shape \[4, 1\], expected int64 labels of shape \[4\]"),
        ({"classes": 5}, {"label": torch.zeros(B).long()}, r"mapping of shapes \{'label': \[4\]\}, expected int64"),
        ({"features": 3}, torch.zeros(B, 2), r"shape \[4, 2\], expected vectors of shape \[4, 3\]"),
        ({"features": 3}, torch.zeros(B).long(), r"int64 of shape \[4\], expected vectors .* use cond.float"),
    ],
)
def test_a_condition_of_another_kind_is_refused(case, sizes, cond, message):
    with pytest.raises(InvalidInput, match=message):
        case.build(case.shape, **sizes)(*draws(case), cond)


@every
@pytest.mark.parametrize("cond", [torch.zeros(B).long(), {"label": torch.zeros(B)}])
def test_a_condition_where_none_was_built_in_is_refused(case, cond):
    with pytest.raises(Incompatible, match=r"built without a condition .*, got cond of shape .*\[4\]"):
        case.build(case.shape)(*draws(case), cond)


@every
def test_sizes_below_one_are_refused(case):
    for wrong in ({"width": 0}, {"classes": 0}, {"features": 0}):
        with pytest.raises(InvalidInput, match=f"{next(iter(wrong))}=0, expected at least 1"):
            case.build(case.shape, **wrong)
    with pytest.raises(InvalidInput, match="event shape of positive sizes"):
        case.build((0, *case.shape[1:]))
    with pytest.raises(InvalidInput, match="classes=2 and features=2"):
        case.build(case.shape, classes=2, features=2)


@two
def test_both_times_matter(case, perturbed):
    net, (x, t) = perturbed(case.build(case.shape)), draws(case)
    for k in range(2):
        other = t.clone()
        other[:, k] *= 0.7
        assert ((net(x, other) - net(x, t)).flatten(1).abs().amax(1) > 1e-4).all()


@every
def test_times_of_another_shape_are_refused(case):
    net, (x, t) = case.build(case.shape), draws(case)
    wrong = torch.stack([t, t], 1) if case.times == 1 else t[:, 0]
    with pytest.raises(InvalidInput, match=r"t has shape .*(one time per row|from and to)"):
        net(x, wrong)


def test_a_network_of_three_times_is_refused():
    with pytest.raises(InvalidInput, match="times=3, expected 1, or 2"):
        MLP((2,), times=3)
