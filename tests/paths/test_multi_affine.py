"""Paths through more than two anchors: the laws of paths, and the marginals they pass through."""

from types import SimpleNamespace

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, Path, jvp
from pushforward.fields import Endpoint
from pushforward.objectives import FlowMatching
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, LearnedCurve, MultiAffine, NaturalSpline, Pairwise, Polyline
from pushforward.solvers import RK4, solve
from pushforward.spaces import Euclidean

F64 = torch.float64
TIMES = (0.0, 0.3, 1.0)
CURVES = {
    "pairwise": Pairwise(TIMES),
    "spline": NaturalSpline(TIMES),
    "edge": Polyline.edge(2, 1, marginals=3),
    "detour": Polyline.detour(0, 1, marginals=3),
    "learned": LearnedCurve(0, 2, marginals=3),
}
each_path = pytest.mark.parametrize("path", [MultiAffine(curve) for curve in CURVES.values()], ids=list(CURVES))


def anchored(*event, b=16, dtype=F64, times=TIMES):
    g = torch.Generator().manual_seed(7)
    return Pairs(tuple(torch.randn(b, *event, generator=g, dtype=dtype) for _ in times), times)


@each_path
@pytest.mark.parametrize("event", [(3,), (2, 4, 4)])
def test_velocity_is_the_time_derivative_of_sample(path, event):
    pairs = anchored(*event)
    t = torch.linspace(0.05, 0.95, 16, dtype=F64)
    _, slope = jvp(lambda t: path.sample(pairs, t).x, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(path.velocity(path.sample(pairs, t)), slope, rtol=1e-9, atol=1e-9)
    assert isinstance(path, Path)


@pytest.mark.parametrize("curve", [CURVES["pairwise"], CURVES["spline"]], ids=repr)
def test_anchors_are_met_at_their_times(curve):
    pairs = anchored(2)
    for time, anchor in zip(TIMES, pairs.anchors, strict=True):
        x = MultiAffine(curve).sample(pairs, torch.full((16,), time, dtype=F64)).x
        torch.testing.assert_close(x, anchor, rtol=0, atol=1e-14)


@each_path
def test_mappings_are_moved_leaf_by_leaf(path):
    flat = anchored(3)
    both = flat._replace(anchors=tuple({"a": x[:, :1], "b": x[:, 1:]} for x in flat.anchors))
    t = torch.full((16,), 0.6, dtype=F64)
    whole, parts = (path.velocity(path.sample(pairs, t)) for pairs in (flat, both))
    torch.testing.assert_close(torch.cat([parts["a"], parts["b"]], 1), whole)


@each_path
def test_states_in_bf16_stay_so(path):
    point = path.sample(anchored(2, dtype=torch.bfloat16), torch.rand(16))
    assert point.x.dtype == path.velocity(point).dtype == torch.bfloat16
    assert point.t.dtype == torch.float32


def test_two_anchors_are_the_affine_path():
    pairs, t = anchored(2, times=(0.0, 1.0)), torch.linspace(0, 1, 16, dtype=F64)
    for path in (MultiAffine(), MultiAffine(NaturalSpline())):
        ours, theirs = path.sample(pairs, t), Affine().sample(pairs, t)
        torch.testing.assert_close(ours.x, theirs.x)
        torch.testing.assert_close(path.velocity(ours), Affine().velocity(theirs))


def test_flow_matching_asks_for_the_exact_field_of_every_piece():
    """Pairwise and independent: between two times the field is that of these two marginals, at 1 / h of its speed.

    The loss of exact + bump exceeds that of exact by |bump|^2, up to the Monte-Carlo error of 2 bump . error.
    """
    S = [
        torch.tensor(s, dtype=F64)
        for s in ([[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.5]], [[2.0, 0.0], [0.0, 0.2]])
    ]
    pieces = [
        GaussianMixture(
            [[0.0, k + 1.0]], S[k + 1][None], source_means=[[0.0, float(k)]], source_covariances=S[k][None]
        ).along(Affine())
        for k in range(2)
    ]

    def exact(x, t, cond=None):
        early = (t < TIMES[1])[:, None]
        first, second = pieces[0](x, t / 0.3), pieces[1](x, (t - 0.3) / 0.7)
        return torch.where(early, first / 0.3, second / 0.7)

    g = torch.Generator().manual_seed(0)
    n = 100_000
    z = torch.randn(3, n, 2, generator=g, dtype=F64)
    means = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]], dtype=F64)
    pairs = Pairs(tuple(means[k] + z[k] @ torch.linalg.cholesky(S[k]).T for k in range(3)), TIMES)
    path = MultiAffine(Pairwise(TIMES))
    point = path.sample(pairs, torch.rand(n, generator=g, dtype=F64))
    error = exact(point.x, point.t) - path.velocity(point)
    for bump in (torch.ones_like(point.x), point.x, (2 * point.x).sin() * point.t[:, None]):
        rows = (error * bump).sum(1)
        assert abs(rows.mean()) < 4 * rows.std() / n**0.5


def test_a_spline_of_snapshots_carries_each_marginal_to_the_next():
    """Gaussians at three times that move alike: the exact field is affine, and where it takes every row is known.

    x_k = m_k + c_k z with one z for all anchors: x_t = m(t) + c(t) z along the splines m and c of means and scales.
    """
    curve = NaturalSpline(TIMES)
    means, scales = torch.tensor([0.0, 2.0, 1.0], dtype=F64), torch.tensor([1.0, 0.5, 3.0], dtype=F64)

    def field(x, t, cond=None):
        a, d_a = (weights @ torch.stack([means, scales], 1) for weights in curve(t))
        return d_a[:, :1] + d_a[:, 1:] / a[:, 1:] * (x - a[:, :1])

    z = torch.randn(50, 1, dtype=F64)
    pairs = Pairs(tuple(m + c * z for m, c in zip(means, scales, strict=True)), TIMES)
    path, t = MultiAffine(curve), torch.rand(50, dtype=F64)
    point = path.sample(pairs, t)
    torch.testing.assert_close(field(point.x, t), path.velocity(point))
    # RK4 on steps of 1/100 that meet the knots: 1e-8 times derivatives of order 10
    xs = solve(field, pairs.x0, torch.linspace(0, 1, 101, dtype=F64), solver=RK4(), save=True).xs
    for time, anchor in zip((0, 30, 100), pairs.anchors, strict=True):
        torch.testing.assert_close(xs[time], anchor, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("pairs", "match"),
    [
        (anchored(2, times=(0.0, 1.0)), "have 2 anchors, the path joins 3"),
        (anchored(2, times=(0.0, 0.5, 1.0)), r"meets its anchors at \(0.0, 0.3, 1.0\), these pairs have times"),
        (anchored(2)._replace(anchors=(torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(4, 1))), "anchor 2 has"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(pairs, match):
    with pytest.raises(InvalidInput, match=match):
        MultiAffine(Pairwise(TIMES)).sample(pairs, torch.rand(pairs.size))


def test_parts_that_make_no_sense_are_refused():
    with pytest.raises(Incompatible, match="Endpoint"):
        FlowMatching(MultiAffine(), Endpoint())
    for curve, space, match in [
        (Pairwise, Euclidean(), r"is the class Pairwise"),
        ((0.0, 1.0), Euclidean(), "expected times to weights"),
        (Pairwise(), object(), "Euclidean"),
    ]:
        with pytest.raises(Incompatible, match=match):
            MultiAffine.__post_init__(SimpleNamespace(curve=curve, space=space))
