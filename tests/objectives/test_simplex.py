"""Laws of a point on the simplex: moments, support, and what is refused."""

from math import sqrt

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.objectives import Flat, Mixed, OnCurves, SimplexLaw
from pushforward.paths import LearnedCurve, Polyline

LAWS = {
    "flat": Flat(4),
    "edges": OnCurves.edges(4),
    "curve": OnCurves((LearnedCurve(0, 2, marginals=4),)),
    "mixed": Mixed(OnCurves.edges(4), Flat(4), 0.3),
}
each_law = pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@each_law
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_draws_are_on_the_simplex(law, dtype):
    a = law(500, torch.zeros(1, dtype=dtype), generator=gen())
    assert isinstance(law, SimplexLaw)
    assert a.shape == (500, law.marginals)
    assert a.dtype == torch.promote_types(dtype, torch.float32)
    assert (a >= 0).all()
    assert not a.requires_grad
    torch.testing.assert_close(a.sum(1), torch.ones_like(a[:, 0]))


@each_law
def test_same_generator_same_answer(law):
    first, again, other = (law(50, torch.zeros(1), generator=gen(seed)) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


@pytest.mark.parametrize(
    ("law", "square"),
    [
        (Flat(4), 2 / 20),  # Dirichlet(1, ..., 1): E a_k^2 = 2 / (K (K + 1))
        (OnCurves.edges(4), 1 / 2 * 1 / 3),  # a corner is on half of the edges, and E t^2 = 1/3 there
        (Mixed(OnCurves.edges(4), Flat(4), 0.25), 0.25 / 6 + 0.75 / 10),
    ],
    ids=["flat", "edges", "mixed"],
)
def test_moments(law, square):
    n = 40_000
    a = law(n, torch.zeros(1, dtype=torch.float64), generator=gen())
    for values, exact in ((a, 1 / 4), (a.square(), square)):
        assert ((values.mean(0) - exact).abs() < 4 * values.std(0) / sqrt(n)).all()


def test_edges_are_all_drawn_alike():
    """Each of 6 edges holds 1/6 of 6000 rows within 4 standard errors of 0.0048."""
    a = OnCurves.edges(4)(6000, torch.zeros(1), generator=gen())
    assert ((a > 0).sum(1) <= 2).all()
    for i in range(4):
        for j in range(i):
            share = ((a[:, i] > 0) & (a[:, j] > 0)).double().mean()
            assert abs(share - 1 / 6) < 0.0193


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Flat(1), "marginals=1"),
        (lambda: OnCurves(()), "expected one number"),
        (lambda: OnCurves((Polyline.edge(0, 1, marginals=2), Polyline.edge(0, 1, marginals=3))), r"curves of \[2, 3\]"),
        (lambda: Mixed(Flat(2), Flat(3)), "laws of 2 and 3"),
        (lambda: Mixed(Flat(2), Flat(2), 1.5), "share is 1.5"),
    ],
)
def test_senseless_laws_are_refused(make, match):
    with pytest.raises(InvalidInput, match=match):
        make()
