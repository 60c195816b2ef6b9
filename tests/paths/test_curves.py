"""Weights along a curve: their laws, the simplex, and splines against SciPy."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from pushforward.core import InvalidInput, jvp
from pushforward.paths import CondOT, Curve, LearnedCurve, NaturalSpline, Pairwise, Polyline

F64 = torch.float64
TIMES = (0.0, 0.2, 0.7, 1.0)


def bent(start, stop, marginals, seed=0):
    """A learned curve that has learned something."""
    curve = LearnedCurve(start, stop, marginals=marginals).double()
    with torch.no_grad():
        curve.coefficients += torch.randn(curve.coefficients.shape, generator=gen(seed)) / 2
    return curve


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


ON_SIMPLEX = {  # with the weights at both ends
    "edge": (Polyline.edge(2, 0, marginals=3), 2, 0),
    "detour": (Polyline.detour(0, 1, marginals=4), 0, 1),
    "polyline": (Polyline(((1.0, 0.0), (0.5, 0.5), (0.6, 0.4), (0.0, 1.0)), (0.0, 0.1, 0.5, 1.0)), 0, 1),
    "pairwise": (Pairwise(TIMES), 0, 3),
    "learned": (bent(1, 2, 4), 1, 2),
    "learned, two": (bent(0, 1, 2), 0, 1),
    "learned, constant": (LearnedCurve(0, 2, marginals=3, degree=0), 0, 2),
}
CATALOGUE = {name: (curve, *ends) for name, (curve, *ends) in ON_SIMPLEX.items()} | {
    "spline": (NaturalSpline(TIMES), 0, 3),
    "spline, two": (NaturalSpline(), 0, 1),
}
each_curve = pytest.mark.parametrize("name", CATALOGUE)


@each_curve
def test_derivatives_are_those_of_the_weights(name):
    curve = CATALOGUE[name][0]
    assert isinstance(curve, Curve)
    t = torch.linspace(0.013, 0.987, 64, dtype=F64)  # on no knot
    a, slope = jvp(lambda t: curve(t)[0], (t,), (torch.ones_like(t),))
    torch.testing.assert_close(curve(t)[1], slope, rtol=1e-9, atol=1e-9)
    assert a.shape == slope.shape == (64, curve.marginals)


@each_curve
def test_weights_sum_to_one_and_run_from_anchor_to_anchor(name):
    curve, start, stop = CATALOGUE[name]
    a, d_a = curve(torch.linspace(0, 1, 101, dtype=F64))
    torch.testing.assert_close(a.sum(1), torch.ones(101, dtype=F64), rtol=0, atol=1e-14)
    torch.testing.assert_close(d_a.sum(1), torch.zeros(101, dtype=F64), rtol=0, atol=1e-12)
    eye = torch.eye(curve.marginals, dtype=F64)
    torch.testing.assert_close(a[[0, -1]], eye[[start, stop]], rtol=0, atol=1e-15)
    if name in ON_SIMPLEX:
        assert (a >= 0).all()


@pytest.mark.parametrize("knots", [None, (0.0, 1 / 3, 2 / 3, 1.0)])
def test_the_knots_of_a_polyline_have_the_precision_of_the_times(knots):
    """A third of the way through the second of three pieces: s(1/3) = 7/27."""
    curve = Polyline(((1.0, 0.0), (0.5, 0.5), (0.6, 0.4), (0.0, 1.0)), knots)
    weights, slope = curve(torch.tensor([4 / 9], dtype=F64))
    assert weights[0].tolist() == pytest.approx([0.5 + 0.1 * 7 / 27, 0.5 - 0.1 * 7 / 27], abs=1e-14)
    assert slope[0].tolist() == pytest.approx([0.4, -0.4], abs=1e-13)  # 6 q (1 - q) / width = 4


@each_curve
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_weights_have_the_dtype_of_the_times(name, dtype):
    for weights in CATALOGUE[name][0](torch.tensor([0.0, 0.3, 1.0], dtype=dtype)):
        assert weights.dtype == dtype
        assert weights.isfinite().all()


@pytest.mark.parametrize("times", [(0.0, 0.5, 1.0), TIMES, (0.0, 0.05, 0.1, 0.6, 0.65, 1.0)])
def test_the_spline_is_scipys_natural_one(times):
    """Of random anchors in three dimensions; rounding only."""
    anchors = np.random.default_rng(0).standard_normal((len(times), 3))
    reference = CubicSpline(times, anchors, bc_type="natural")
    t = np.linspace(0, 1, 201)
    a, d_a = (weights.numpy() for weights in NaturalSpline(times)(torch.from_numpy(t)))
    np.testing.assert_allclose(a @ anchors, reference(t), rtol=0, atol=1e-12)
    np.testing.assert_allclose(d_a @ anchors, reference(t, 1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("curve", [Pairwise(TIMES), NaturalSpline(TIMES)], ids=repr)
def test_every_anchor_is_met_at_its_time(curve):
    a, _ = curve(torch.tensor(TIMES, dtype=F64))
    torch.testing.assert_close(a, torch.eye(4, dtype=F64), rtol=0, atol=1e-15)


@pytest.mark.parametrize("curve", [Pairwise(), NaturalSpline(), Polyline.edge(0, 1, marginals=2)], ids=repr)
def test_two_anchors_are_joined_as_by_cond_ot(curve):
    t = torch.linspace(0, 1, 11, dtype=F64)
    c, (a, d_a) = CondOT()(t), curve(t)
    torch.testing.assert_close(a, torch.stack([c.sigma, c.alpha], 1), rtol=0, atol=1e-15)
    torch.testing.assert_close(d_a, torch.stack([c.d_sigma, c.d_alpha], 1), rtol=0, atol=1e-15)


def test_a_detour_passes_the_barycentre_and_edges_are_all_there():
    a, _ = Polyline.detour(2, 0, marginals=3)(torch.tensor([0.5], dtype=F64))
    torch.testing.assert_close(a, torch.full((1, 3), 1 / 3, dtype=F64))
    middles = {tuple(edge(torch.tensor([0.5]))[0][0].tolist()) for edge in Polyline.edges(4)}
    assert len(middles) == 6
    assert all(sorted(middle) == [0.0, 0.0, 0.5, 0.5] for middle in middles)


def test_a_learned_curve_starts_near_the_edge_with_the_share_it_was_given():
    a, d_a = LearnedCurve(3, 0, marginals=4, share=0.2)(torch.tensor([0.5]))
    torch.testing.assert_close(a, torch.tensor([[0.4, 0.1, 0.1, 0.4]]))
    torch.testing.assert_close(d_a[:, 1:3], torch.zeros(1, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Pairwise((0.0, 1.0, 2.0)), r"increasing times from 0 to 1; subtract the first"),
        (lambda: Pairwise((0.0, 0.5, 0.5, 1.0)), "Pairwise.times are"),
        (lambda: NaturalSpline((0.0,)), "NaturalSpline.times are"),
        (lambda: Polyline(((1.0, 0.0),)), "at least two"),
        (lambda: Polyline(((1.0, 0.0), (1.0, 0.0, 0.0))), "of one length"),
        (lambda: Polyline(((1.0, 0.0), (1.5, -0.5))), "not on the simplex"),
        (lambda: Polyline(((1.0, 0.0), (0.0, 1.0)), (0.0, 0.5, 1.0)), "Polyline.knots are"),
        (lambda: Polyline.edge(0, 3, marginals=3), "corner 3"),
        (lambda: LearnedCurve(1, 1, marginals=3), "from corner 1 to corner 1"),
        (lambda: LearnedCurve(0, 1, marginals=3, share=1.0), "0 < share < 1"),
    ],
)
def test_senseless_curves_are_refused(make, match):
    with pytest.raises(InvalidInput, match=match):
        make()
