"""Regression of K conditional means: stationary where it should be, and a small training against the exact answer."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pushforward import Flow
from pushforward.core import Incompatible, InvalidInput, Objective, Pairs
from pushforward.couplings import CARFlow, Chain, VariationalNoise
from pushforward.data import Checkerboard, Gaussian, Rings, Stream
from pushforward.fields import CornerField
from pushforward.fields.corner_field import consistent
from pushforward.nets import MLP, CornerNet, UNet
from pushforward.objectives import Flat, FlowMatching, Joint, Mixed, Multimarginal, OnCurves
from pushforward.oracles import IndependentGaussians
from pushforward.paths import Polyline
from pushforward.solvers import RK4, solve
from pushforward.training import MarginalsFeed, Training, train

F64 = torch.float64
LAWS = [Flat(3), OnCurves.edges(3), Mixed(OnCurves.edges(3), Flat(3))]


def gaussians():
    S = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, -0.4], [-0.4, 1.0]], [[2.0, 0.9], [0.9, 0.6]]], dtype=F64)
    return IndependentGaussians([[0.0, 0.0], [2.0, 0.0], [0.0, -1.0]], S)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("law", LAWS, ids=["flat", "edges", "mixed"])
def test_the_exact_means_are_stationary(law, absent):
    """d/dh loss(g + h f) = 2 sum_k E <g_k - x_k, f_k> / d vanishes for any f: within 4 standard errors (20 batches)."""
    oracle = gaussians()
    objective = Multimarginal(law, consistent=False, absent=absent)
    assert isinstance(objective, Objective)

    def slope(bump, seed):
        h = torch.zeros((), dtype=F64, requires_grad=True)
        net = lambda x, a, cond=None: oracle(x, a) + h * bump(x, a)
        pairs = oracle.sample_pairs(5000, generator=gen(seed))
        return torch.autograd.grad(objective(net, pairs, generator=gen(seed)).value, h)[0]

    for bump in (
        lambda x, a: torch.ones(len(x), 3, 2, dtype=F64),
        lambda x, a: a[..., None] * x[:, None],
        lambda x, a: (2 * x[:, None]).sin() * (1 - a[..., None]),
    ):
        slopes = torch.stack([slope(bump, seed) for seed in range(20)])
        assert abs(slopes.mean()) < 4 * slopes.std() / math.sqrt(20)


def test_the_loss_of_the_exact_means_is_the_conditional_variance():
    """sum_k tr Cov(x_k | x) / d at one point of the simplex; Cov_k = S_k - a_k^2 S_k C^-1 S_k."""
    oracle = gaussians()
    half = Polyline(((0.2, 0.5, 0.3), (0.2, 0.5, 0.3)))
    a = half(torch.zeros(1, dtype=F64))[0]
    S, C = oracle.covariances, oracle.covariance(a)[0]
    floor = sum((S[k] - a[0, k] ** 2 * S[k] @ torch.linalg.solve(C, S[k])).trace() for k in range(3)) / 2
    objective = Multimarginal(OnCurves((half,)))
    losses = torch.stack(
        [objective(oracle, oracle.sample_pairs(5000, generator=gen(s)), generator=gen(s)).value for s in range(20)]
    )
    assert abs(losses.mean() - floor) < 4 * losses.std() / math.sqrt(20)


def test_two_marginals_are_flow_matching_weighted():
    """With consistent means e_0 = -t e, e_1 = (1 - t) e of the velocity's error e: |e|^2 (t^2 + (1 - t)^2).

    Checked row by row, on one batch whose points are all at one t.
    """
    x0, x1 = torch.randn(2, 64, 2, generator=gen(), dtype=F64)
    velocity = lambda x: torch.stack([x[:, 1], -x[:, 0]], 1)
    t = 0.3
    point = Polyline(((1 - t, t), (1 - t, t)))
    net = lambda x, a, cond=None: torch.stack([x - t * velocity(x), x + (1 - t) * velocity(x)], 1)
    ours = Multimarginal(OnCurves((point,)))(net, Pairs((x0, x1))).value
    x = (1 - t) * x0 + t * x1
    plain = (velocity(x) - (x1 - x0)).square().mean()
    torch.testing.assert_close(ours, (t**2 + (1 - t) ** 2) * plain)


def test_absent_marginals_are_asked_for_on_request():
    """On the edge 0-2 the exact loss lacks the variance of marginal 1, of which x tells nothing."""
    oracle = gaussians()
    law = OnCurves((Polyline.edge(0, 2, marginals=3),))
    pairs = oracle.sample_pairs(500, generator=gen())
    without, whole = (
        Multimarginal(law, absent=absent)(oracle, pairs, generator=gen(1)).value for absent in (False, True)
    )
    torch.testing.assert_close(whole - without, (pairs.anchors[1] - oracle.means[1]).square().mean())
    wrong = lambda x, a, cond=None: torch.where((a == 0)[..., None], 7.0, oracle(x, a))
    torch.testing.assert_close(Multimarginal(law)(wrong, pairs, generator=gen(1)).value, without)


def test_weights_of_rows_count():
    objective, net = Multimarginal(OnCurves.edges(3)), lambda x, a, cond=None: torch.zeros(len(x), 3, 2)
    anchors = tuple(torch.randn(2, 8, 2, generator=gen()).repeat(2, 1, 1)[:3])
    once = objective(net, Pairs(anchors), generator=gen(1)).value
    twice = objective(net, Pairs(anchors, weight=torch.full((8,), 2.0)), generator=gen(1)).value
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize("event", [(2,), (1, 8, 8)])
def test_every_parameter_gets_a_finite_gradient(event):
    torch.manual_seed(0)
    inner = (
        MLP((6,), features=3, width=8) if len(event) == 1 else UNet((3, 8, 8), features=3, width=8, multipliers=(1, 1))
    )
    net = CornerNet(inner, 3)
    for p in net.parameters():  # layers that start at zero pass nothing on
        nn.init.normal_(p, std=0.05)
    pairs = Chain()([torch.randn(8, *event, generator=gen(k)) for k in range(3)], generator=gen())
    Multimarginal(Flat(3))(net, pairs, generator=gen()).value.backward()
    for name, p in net.named_parameters():
        if not name.endswith("null"):  # the row of a dropped condition
            assert p.grad.isfinite().all(), name
            assert p.grad.abs().sum() > 0, name


def test_mappings_are_states():
    oracle = gaussians()
    net = lambda x, a, cond=None: {"a": oracle(x["a"], a)}
    pairs = oracle.sample_pairs(100, generator=gen())
    both = pairs._replace(anchors=tuple({"a": x} for x in pairs.anchors))
    objective = Multimarginal(Flat(3))
    torch.testing.assert_close(
        objective(net, both, generator=gen(1)).value, objective(oracle, pairs, generator=gen(1)).value
    )


def test_the_field_is_the_edge_from_first_to_last_unless_told_otherwise():
    objective = Multimarginal(Flat(3), noise=0)
    field = objective.field(gaussians())
    assert isinstance(field, CornerField)
    assert (field.curve, field.noise) == (Polyline.edge(0, 2, marginals=3), 0)
    assert objective.field(gaussians(), Polyline.edge(2, 1, marginals=3)).curve == Polyline.edge(2, 1, marginals=3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(Incompatible, match=r"law is the class Flat, expected an instance; write Flat\(\)"):
        Multimarginal.__post_init__(SimpleNamespace(law=Flat))
    objective = Multimarginal(Flat(3))
    with pytest.raises(InvalidInput, match="have 2 anchors, the path joins 3"):
        objective(gaussians(), Pairs((torch.zeros(4, 2), torch.zeros(4, 2))))
    with pytest.raises(InvalidInput, match="gave shape"):
        objective(lambda x, a, cond=None: x, Pairs((torch.zeros(4, 2),) * 3, (0.0, 0.5, 1.0)))


@pytest.mark.story
def test_a_network_learns_the_means_of_gaussians():
    """Against the closed form at fresh points, and by what it carries from one marginal to another.

    Guessing the marginals' means has a squared error of 0.50; the network was measured at 0.007.
    """
    oracle, objective = gaussians(), Multimarginal(Mixed(OnCurves.edges(3), Flat(3)), noise=0)

    class Draws:
        def pairs(self, step, size, *, seed):
            pairs = oracle.sample_pairs(size, generator=torch.Generator().manual_seed(step))
            return pairs.map(torch.Tensor.float)

    torch.manual_seed(0)
    net = CornerNet(MLP((6,), features=3, width=64, activation="silu"), 3)
    settings = Training(800, 256, 3e-3, 0.0, warmup=50, ema=None, device="cpu", workers=0)
    trained = train(net, objective, Draws(), settings).net
    pairs = oracle.sample_pairs(4000, generator=gen(9)).map(torch.Tensor.float)
    a = objective.law(4000, pairs.x0, generator=gen(9))
    x = sum(a[:, k, None] * pairs.anchors[k] for k in range(3))
    exact = oracle(x, a)
    curve = Polyline.edge(1, 2, marginals=3)
    with torch.no_grad():
        moved = solve(objective.field(trained, curve), pairs.anchors[1], torch.linspace(0, 1, 21), solver=RK4()).x
        means = consistent(trained(x, a), x, a)
    asked = a != 0  # of a marginal without weight there, nothing was learned
    error, guess = ((g - exact).square()[asked].mean() for g in (means, oracle.means.float()))
    assert error < 0.03 * guess
    # and it carries one marginal to another: mean and covariance of 4000 rows, 5 standard errors and 0.1 of its own
    assert (moved.mean(0) - oracle.means[2]).abs().max() < 5 * 1.5 / 4000**0.5 + 0.1
    assert (moved.T.cov() - oracle.covariances[2]).abs().max() < 5 * 2.9 / 4000**0.5 + 0.1


@pytest.mark.parametrize("objective", [Multimarginal(OnCurves.edges(3)), FlowMatching()])
def test_a_feed_of_marginals_trains(objective):
    """K = 3 on the simplex and K = 2 as ordinary pairs go through the same loop."""
    K = 3 if isinstance(objective, Multimarginal) else 2
    laws = (Gaussian(), Rings(), Checkerboard())[:K]
    net = CornerNet(MLP((6,), features=3, width=8), 3) if K == 3 else MLP((2,), width=8)
    feed = MarginalsFeed(tuple(Stream(law) for law in laws))
    found = train(net, objective, feed, Training(3, 16, device="cpu", workers=0))
    assert found.step == 3


def test_two_marginals_go_through_flow_and_joint():
    """K = 2 is an ordinary objective: the estimator fits, samples and tells densities with it."""
    objective, net = Multimarginal(OnCurves.edges(2), noise=0), CornerNet(MLP((4,), features=2, width=8), 2)
    flow = Flow(objective=objective, net=net, training={"steps": 3, "batch_size": 16})
    flow.fit(torch.randn(64, 2, generator=gen()))
    assert flow.sample(5, steps=4).shape == (5, 2)
    assert flow.log_prob(torch.zeros(3, 2), steps=4).isfinite().all()
    joint = Joint(VariationalNoise((2,), width=8), objective)
    assert joint(net, Pairs((torch.randn(8, 2), torch.randn(8, 2)))).value.isfinite()
    with pytest.raises(Incompatible, match="CARFlow needs a path with alpha and sigma, got MultiAffine"):
        Joint(CARFlow((2,), classes=2), objective)
