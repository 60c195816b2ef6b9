"""Repulsions at their closed forms, and which features they are given."""

import copy
import math

import pytest
import torch
from torch import nn

from pushforward import Flow
from pushforward.config import parse
from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.couplings import VariationalNoise
from pushforward.nets import MLP, MotionNet
from pushforward.objectives import (
    AlphaFlow,
    ConstantAccelerationFlow,
    CRectifiedFlow,
    Dispersive,
    FlowMatching,
    Joint,
    MeanFlow,
    ModularMeanFlow,
    SecondOrder,
    SplitMeanFlow,
    repulsions,
)
from pushforward.objectives.repulsions import CosineInfoNCE, Covariance, Hinge, InfoNCE, Repulsion
from pushforward.paths import Affine, Brownian

F64 = torch.float64
ALL = [InfoNCE(), CosineInfoNCE(), Hinge(3.0), Covariance()]
LAYER = "rest.2"


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def features(rows=12, width=5, seed=0):
    return torch.randn(rows, width, generator=gen(seed), dtype=F64)


def net_of(times=2):
    torch.manual_seed(0)
    return MLP((2,), times=times, width=16, activation="silu").double()


def pairs_of(rows=16):
    return Pairs((features(rows, 2, 1), features(rows, 2, 2)))


def gradients(loss, net):
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return {name: g for (name, _), g in zip(net.named_parameters(), found, strict=True)}


# ---------------------------------------------------------------------------------------------- repulsions


@pytest.mark.parametrize("width", [1, 4])
def test_two_pairs_that_agree(width):
    """Four ordered pairs of twelve agree, eight are r apart in every coordinate."""
    h = torch.tensor([0.0, 0.0, 3.0, 3.0], dtype=F64)[:, None].expand(4, width)
    assert float(InfoNCE(1.0)(h)) == pytest.approx(math.log((4 + 8 * math.exp(-9)) / 12), abs=1e-12)
    assert float(InfoNCE(1.0)(h)) == pytest.approx(-1.0984, abs=5e-5)
    assert float(Hinge(4.0)(h)) == pytest.approx((4 * 16 + 8 * 1) / 12, abs=1e-6)  # distances of 0 are the root of tiny


def test_infonce_is_greatest_where_all_agree():
    same = features()[:1].expand(12, 5)
    for repulsion in (InfoNCE(), CosineInfoNCE()):
        assert float(repulsion(same)) == pytest.approx(0.0, abs=1e-12)
        assert float(repulsion(features())) < -0.1


def test_directions_alone_count_for_the_cosine():
    h = torch.tensor([[1.0, 0.0], [0.0, 5.0], [-2.0, 0.0]], dtype=F64)  # two right angles and a straight one
    exact = math.log((2 * math.exp(-1 / 0.3) + math.exp(-2 / 0.3)) / 3)
    assert float(CosineInfoNCE(0.3)(h)) == pytest.approx(exact, abs=1e-12)


def test_a_hinge_is_zero_if_and_only_if_rows_are_a_margin_apart():
    h = 2.0 * torch.arange(6, dtype=F64)[:, None] * torch.ones(3, dtype=F64)
    assert float(Hinge(1.999)(h)) == 0
    assert float(Hinge(2.1)(h)) == pytest.approx(5 * 0.1**2 / 15, abs=1e-12)  # neighbours alone


@pytest.mark.parametrize(("rows", "width"), [(40, 5), (6, 30), (2, 1)])
def test_covariance_on_both_sides_of_its_product(rows, width):
    h = features(rows, width)
    C = torch.atleast_2d(torch.cov(h.T))
    off = (C - C.diagonal().diag()).square().sum() / width
    low = (1 - C.diagonal()).clamp_min(0).mean()
    torch.testing.assert_close(Covariance()(h), off + low, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(Covariance(0.0)(h), off, rtol=1e-12, atol=1e-12)


def test_whitened_features_have_no_covariance():
    h = features(40, 5)
    root = torch.linalg.cholesky(torch.cov(h.T))
    white = torch.linalg.solve_triangular(root, (h - h.mean(0)).T, upper=False).T
    assert float(Covariance()(1.0001 * white)) < 1e-24
    assert float(Covariance()(h)) > 1e-2
    assert float(Covariance()(0.5 * white)) == pytest.approx(0.75, abs=1e-12)  # a quarter of the variance is there


@pytest.mark.parametrize("repulsion", ALL, ids=repr)
def test_laws_of_repulsions(repulsion):
    h = features()
    assert isinstance(repulsion, Repulsion)
    assert repulsion(h).shape == ()
    torch.testing.assert_close(repulsion(h[torch.randperm(12, generator=gen())]), repulsion(h))
    assert repulsion(h.half()).dtype == torch.float32
    assert float(repulsion(h[:1])) == 0  # nothing to leave
    close = (0.1 * h).requires_grad_()
    (g,) = torch.autograd.grad(repulsion(close), close)
    assert repulsion(close - 1e-3 * g / g.norm()) < repulsion(close)
    together = torch.zeros(4, 3, dtype=F64, requires_grad=True)
    (g,) = torch.autograd.grad(repulsion(together), together)
    assert g.isfinite().all()


@pytest.mark.parametrize("repulsion", [InfoNCE(), Hinge(3.0)], ids=repr)
def test_the_width_of_a_layer_has_no_part_in_it(repulsion):
    h = features()
    torch.testing.assert_close(repulsion(h.repeat(1, 7)), repulsion(h))


# ---------------------------------------------------------------------------------------------- beside an objective

OBJECTIVES = {
    "FlowMatching": FlowMatching(),
    "FlowMatching with SecondOrder": FlowMatching(terms=(SecondOrder(),)),
    "FlowMatching of both signs": FlowMatching(Affine(latent=Brownian(0.5)), both_signs=True),
    "MeanFlow": MeanFlow(),
    "MeanFlow by differences": MeanFlow(difference=1e-3),
    "ModularMeanFlow": ModularMeanFlow(),
    "SplitMeanFlow": SplitMeanFlow(),
    "AlphaFlow on the way": AlphaFlow().at(0.5),
}
each_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


def times_of(objective):
    return getattr(objective, "network_times", 1)


@each_objective
@pytest.mark.parametrize("repulsion", ALL, ids=repr)
def test_without_strength_it_is_the_objective_bit_for_bit(objective, repulsion):
    net, batch = net_of(times_of(objective)), pairs_of()
    plain = objective(net, batch, generator=gen(5))
    found = Dispersive(objective, repulsion, LAYER, 0.0)(net, batch, generator=gen(5))
    assert torch.equal(found.value, plain.value)
    assert found.terms == {**plain.terms, "dispersion": 0}
    for one, other in zip(*(gradients(loss.value, net).values() for loss in (found, plain)), strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


class Recorded(nn.Module):
    """The states and times of all passes."""

    def __init__(self, net):
        super().__init__()
        self.net, self.calls = net, []

    def forward(self, x, t, cond=None):
        self.calls.append((x, t))
        return self.net(x, t, cond)


@each_objective
def test_features_are_those_of_the_pass_that_is_trained(objective):
    """Where the objective evaluates the prediction, made again by hand up to the layer."""
    net, batch = Recorded(net_of(times_of(objective))), pairs_of()
    found = Dispersive(objective, InfoNCE(), "net." + LAYER, 0.3)(net, batch, generator=gen(5))
    calls = net.calls[:1] if isinstance(objective, FlowMatching) else list(net.calls)
    rows = batch.size * (2 if getattr(objective, "both_signs", False) else 1)
    while sum(len(x) for x, _ in calls) > rows:  # MeanFlow's prediction comes in two parts, with s < t and s = t
        calls.pop(0)
    x, t = (torch.cat(parts).detach() for parts in zip(*calls, strict=True))
    told = t[:, None] if t.ndim == 1 else torch.stack([t[:, 0], t[:, 1] - t[:, 0]], 1)
    h = net.net.rest[:3](net.net.first(torch.cat([x, told], 1)))
    torch.testing.assert_close(found.terms["dispersion"], 0.3 * InfoNCE()(h.detach()), rtol=1e-12, atol=0)
    with torch.no_grad():
        quiet = Dispersive(objective, InfoNCE(), "net." + LAYER, 0.3)(net, batch, generator=gen(5))
    torch.testing.assert_close(quiet.terms["dispersion"], found.terms["dispersion"], rtol=1e-12, atol=0)


def test_a_pass_without_gradient_does_not_count():
    """Constant acceleration asks its velocity again, at the source and without gradient, after it was trained."""
    net, batch, calls = MotionNet(net_of(1), MLP((4,), width=16).double()), pairs_of(), []
    net.velocity.register_forward_hook(lambda _, inputs, __: calls.append(inputs))
    objective = Dispersive(ConstantAccelerationFlow(), InfoNCE(), "velocity." + LAYER, 1.0)
    found = objective(net, batch, generator=gen(5)).terms["dispersion"]
    first, second = (net.velocity.rest[:3](net.velocity.first(torch.cat([x, t[:, None]], 1))) for x, t, _ in calls)
    torch.testing.assert_close(found, InfoNCE()(first.detach()), rtol=1e-12, atol=0)
    assert (found - InfoNCE()(second.detach())).abs() > 1e-3


def test_what_comes_after_the_layer_feels_nothing():
    net, batch = net_of(), pairs_of()
    plain = gradients(MeanFlow()(net, batch, generator=gen(5)).value, net)
    found = gradients(Dispersive(MeanFlow(), InfoNCE(), LAYER)(net, batch, generator=gen(5)).value, net)
    for name, g in found.items():
        if g is not None:
            moved = not torch.allclose(g, plain[name], rtol=1e-9, atol=1e-12)
            assert moved == name.startswith(("first", "rest.1")), name  # rest.2 has no weights


def test_hooks_are_gone_afterwards():
    net = net_of()
    Dispersive(MeanFlow(), InfoNCE(), LAYER)(net, pairs_of(), generator=gen())
    with pytest.raises(InvalidInput):
        Dispersive(MeanFlow(), InfoNCE(), LAYER)(net, Pairs((torch.zeros(4, 3).double(),) * 2), generator=gen())
    assert not net.get_submodule(LAYER)._forward_hooks


def test_in_everything_else_it_is_the_objective():
    inner = AlphaFlow()
    outer = Dispersive(inner, InfoNCE(), LAYER)
    assert outer.path == inner.path
    assert outer.network_times == 2
    assert outer.cond_drop == 0.0
    assert outer.at(0.5) == Dispersive(inner.at(0.5), InfoNCE(), LAYER)
    net = net_of()
    assert outer.flow_map(net) == inner.flow_map(net)
    assert not hasattr(Dispersive(FlowMatching(), InfoNCE(), LAYER), "flow_map")
    assert copy.deepcopy(outer) == outer
    still = Dispersive(FlowMatching(), InfoNCE(), LAYER)
    assert still.at(0.3) is still


def test_a_learned_coupling_holds_it():
    torch.manual_seed(0)
    joint = Joint(VariationalNoise((2,), width=8), Dispersive(FlowMatching(), Hinge(), LAYER)).double()
    assert set(joint(net_of(1), pairs_of(), generator=gen()).terms) == {"fit", "dispersion", "penalty"}


def test_it_stands_in_a_configuration():
    spec = {
        "net": {"type": "MLP", "width": 8},
        "objective": {
            "type": "Dispersive",
            "objective": {"type": "FlowMatching", "cond_drop": 0.1},
            "repulsion": {"type": "Hinge", "margin": 0.5},
            "layer": "rest.1",
        },
        "training": {"steps": 2, "batch_size": 16},
    }
    config = parse(spec)
    assert config.bound == Dispersive(FlowMatching(cond_drop=0.1), Hinge(0.5), "rest.1")
    assert parse(config.resolved()).bound == config.bound
    flow = Flow(spec).fit(torch.randn(64, 2))
    assert flow.sample(3).shape == (3, 2)
    with pytest.raises(InvalidInput, match="did you mean InfoNCE"):
        parse({**spec, "objective": {**spec["objective"], "repulsion": "InfoNCEE"}})


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.both, self.early = nn.LSTM(2, 2), nn.Flatten(0)
        self.idle = nn.Identity()

    def forward(self, x, t, cond=None):
        self.early(x)
        return self.both(x)[0]


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: Dispersive(FlowMatching, InfoNCE(), "a"), Incompatible, r"write FlowMatching\(\)"),
        (lambda: Dispersive(FlowMatching(), Hinge, "a"), Incompatible, r"write Hinge\(\)"),
        (lambda: Dispersive(FlowMatching(), InfoNCE(), ""), InvalidInput, "layer is empty"),
        (lambda: Dispersive(FlowMatching(), InfoNCE(), "a", -1.0), InvalidInput, "strength is -1"),
        (
            lambda: Dispersive(Joint(VariationalNoise((2,)), FlowMatching()), InfoNCE(), "a"),
            Incompatible,
            "Joint has weights of its own.*put Dispersive inside",
        ),
        (lambda: InfoNCE(0.0), InvalidInput, "temperature is 0"),
        (lambda: CosineInfoNCE(math.inf), InvalidInput, "temperature is inf"),
        (lambda: Hinge(0.0), InvalidInput, "margin is 0"),
        (lambda: Covariance(-1.0), InvalidInput, "floor is -1"),
    ],
)
def test_refusals(build, error, match):
    with pytest.raises(error, match=match):
        build()


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        ("bot", "Odd has no layer 'bot'; did you mean both"),
        ("both", "layer 'both' gave a tuple"),
        ("early", r"layer 'early' gave shape \[8\].*expected a tensor of 4 rows"),
        ("idle", "layer 'idle' gave nothing"),
    ],
)
def test_refusals_of_layers(layer, match):
    batch = Pairs((torch.randn(4, 2), torch.randn(4, 2)))
    with pytest.raises(InvalidInput, match=match):
        Dispersive(FlowMatching(), InfoNCE(), layer)(Odd(), batch)


def test_features_do_not_leave_a_derivative():
    """The gradient of the network is all that this objective asks for."""
    with pytest.raises(InvalidInput, match=r"gave features inside a derivative alone.*outside derivatives"):
        Dispersive(CRectifiedFlow(), InfoNCE(), LAYER)(net_of(1), pairs_of())


def test_functions_have_no_layers():
    with pytest.raises(Incompatible, match="got function"):
        Dispersive(FlowMatching(), InfoNCE(), "a")(lambda x, t, cond: x, pairs_of())


def test_all_repulsions_are_held():
    assert {type(r).__name__ for r in ALL} | {"Repulsion"} == set(repulsions.__all__)
