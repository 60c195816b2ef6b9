"""Conditional means along a curve: exact maps of Gaussians, scores, and what every field must be."""

from types import SimpleNamespace

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput
from pushforward.fields import CornerField, FlowSDE
from pushforward.fields.corner_field import consistent
from pushforward.inference import log_prob
from pushforward.oracles import GaussianMixture, IndependentGaussians
from pushforward.paths import Affine, LearnedCurve, Polyline
from pushforward.solvers import RK4, StochasticHeun, solve

F64 = torch.float64
close = torch.testing.assert_close
MEANS = [[0.0, 0.0], [1.0, 2.0], [-2.0, 0.5]]
NOISE = [[1.0, 0.0], [0.0, 1.0]]
TILTED = [NOISE, [[2.0, 0.9], [0.9, 0.6]], [[0.3, -0.2], [-0.2, 1.5]]]  # these two do not commute
STRAIGHT = [NOISE, [[2.0, 0.0], [0.0, 0.6]], [[0.3, 0.0], [0.0, 1.5]]]
EDGE, DETOUR = Polyline.edge(1, 2, marginals=3), Polyline.detour(1, 2, marginals=3)


def gaussians(covariances=TILTED):
    return IndependentGaussians(MEANS, torch.tensor(covariances, dtype=F64))


def carried(oracle, curve, steps=60):
    """The affine map of a curve, read off at three points: offset and matrix; RK4 errs by less than 1e-6 (measured)."""
    d = oracle.means.shape[1]
    corners = torch.cat([torch.zeros(1, d, dtype=F64), torch.eye(d, dtype=F64)])
    field = CornerField(oracle, curve)
    x = solve(field, corners, torch.linspace(0, 1, steps + 1, dtype=F64), solver=RK4()).x
    return x[0], (x[1:] - x[0]).T


@pytest.mark.parametrize("curve", [EDGE, DETOUR, LearnedCurve(1, 2, marginals=3)], ids=["edge", "detour", "learned"])
def test_every_curve_carries_the_one_marginal_to_the_other(curve):
    oracle = gaussians()
    offset, matrix = carried(oracle, curve)
    close(offset + matrix @ oracle.means[1], oracle.means[2], rtol=0, atol=1e-6)
    close(matrix @ oracle.covariances[1] @ matrix.T, oracle.covariances[2], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("covariances", "same"), [(TILTED, False), (STRAIGHT, True)], ids=["not commuting", "commuting"]
)
def test_the_map_depends_on_the_curve_unless_covariances_commute(covariances, same):
    (b, A), (c, B) = (carried(gaussians(covariances), curve) for curve in (EDGE, DETOUR))
    gap = float((A - B).abs().max())
    if same:
        close(A, B, rtol=0, atol=1e-6)
        close(b, c, rtol=0, atol=1e-6)
    else:
        assert gap > 0.01


def test_in_one_dimension_all_curves_give_the_monotone_map():
    """Gaussian to Gaussian: m_2 + (s_2 / s_1) (x - m_1)."""
    oracle = IndependentGaussians([[0.0], [1.0], [-2.0]], [1.0, 4.0, 0.25])
    for curve in (EDGE, DETOUR):
        offset, matrix = carried(oracle, curve)
        close(matrix, torch.tensor([[0.25]], dtype=F64), rtol=0, atol=1e-6)
        close(offset, torch.tensor([-2.25], dtype=F64), rtol=0, atol=1e-6)


def test_an_edge_is_the_cond_ot_field():
    oracle = gaussians()
    pair = GaussianMixture(
        oracle.means[2:],
        oracle.covariances[2:],
        source_means=oracle.means[1:2],
        source_covariances=oracle.covariances[1:2],
    ).along(Affine())
    x, t = torch.randn(30, 2, dtype=F64), torch.linspace(0, 1, 30, dtype=F64)
    close(CornerField(oracle, EDGE)(x, t), pair(x, t))


def test_the_likelihood_along_a_curve_is_that_of_the_marginal():
    """From N(0, I) through the barycentre to marginal 2; RK4 of 60 steps with exact divergence."""
    oracle = gaussians()
    field = CornerField(oracle, Polyline.detour(0, 2, marginals=3))
    x = oracle.sample_pairs(5, generator=torch.Generator().manual_seed(0)).x1
    times = torch.linspace(0, 1, 61, dtype=F64)
    exact = torch.distributions.MultivariateNormal(oracle.means[2], oracle.covariances[2]).log_prob(x)
    close(log_prob(field, x, solver=RK4(), times=times), exact, rtol=0, atol=1e-6)


def test_noise_gives_the_score_and_an_sde_with_the_marginals_of_the_flow():
    """Anchor 0 is noise: moments of 10 000 paths of the SDE at t = 1 within 5 standard errors and a step's bias.

    From marginal 1 through the barycentre to marginal 2, with noise that vanishes where the curve has no noise.
    """
    oracle = gaussians()
    field = CornerField(oracle, DETOUR, noise=0)
    x, t = torch.randn(9, 2, dtype=F64), torch.linspace(0.1, 0.9, 9, dtype=F64)
    close(field.score(x, t), oracle.score(x, DETOUR(t)[0]))
    sde = FlowSDE(field, eps=lambda t: 4 * DETOUR(t)[0][:, 0] ** 2)
    g = torch.Generator().manual_seed(0)
    n, times = 10_000, torch.linspace(0, 1, 41, dtype=F64)
    start = oracle.sample_pairs(n, generator=g).anchors[1]
    x = solve(sde, start, times, solver=StochasticHeun(), generator=g).x
    assert not torch.allclose(x, solve(field, start, times, solver=RK4()).x, atol=0.1)
    gap = x - oracle.means[2]
    products = gap[:, :, None] * gap[:, None, :]
    assert (gap.mean(0).abs() < 5 * gap.std(0) / n**0.5 + 2e-3).all()
    assert ((products.mean(0) - oracle.covariances[2]).abs() < 5 * products.std(0) / n**0.5 + 5e-3).all()


def test_without_noise_there_is_no_score():
    with pytest.raises(Incompatible, match="needs a score"):
        FlowSDE(CornerField(gaussians(), EDGE))


def test_made_consistent_means_satisfy_the_identity_and_come_no_farther_from_the_truth():
    """An orthogonal projection onto a plane that holds the truth."""
    oracle, g = gaussians(), torch.Generator().manual_seed(0)
    x = torch.randn(40, 2, generator=g, dtype=F64)
    a = torch.rand(40, 3, generator=g, dtype=F64)
    a = a / a.sum(1, keepdim=True)
    truth = oracle(x, a)
    wrong = truth + torch.randn(truth.shape, generator=g, dtype=F64)
    better = consistent(wrong, x, a)
    close((a[..., None] * better).sum(1), x)
    close(consistent(truth, x, a), truth)
    close(consistent(better, x, a), better)
    assert ((better - truth).square().sum((1, 2)) < (wrong - truth).square().sum((1, 2))).all()


def test_at_a_corner_the_mean_is_the_state_whatever_the_network_says():
    field = CornerField(lambda x, a, cond=None: torch.full((len(x), 3, 2), 7.0), EDGE)
    x = torch.randn(2, 2)
    means = field.means(x, torch.tensor([0.0, 1.0]))
    close(means[0, 1], x[0])
    close(means[1, 2], x[1])
    raw = CornerField(field.corners, EDGE, consistent=False).means(x, torch.tensor([0.0, 1.0]))
    assert (raw == 7).all()


def test_mappings_and_conditions_go_through():
    oracle = gaussians()
    seen = []

    def net(x, a, cond=None):
        seen.append(cond)
        g = oracle(torch.cat([x["a"], x["b"]], 1), a)
        return {"a": g[..., :1], "b": g[..., 1:]}

    x, t, label = torch.randn(5, 2, dtype=F64), torch.rand(5, dtype=F64), torch.arange(5)
    field = CornerField(net, EDGE, noise=0)
    v = field({"a": x[:, :1], "b": x[:, 1:]}, t, label)
    close(torch.cat([v["a"], v["b"]], 1), CornerField(oracle, EDGE)(x, t))
    assert seen == [label]


def test_states_in_bf16_stay_so():
    def net(x, a, cond=None):
        assert a.dtype == torch.float32
        return x[:, None].expand(-1, 3, -1)

    field = CornerField(net, DETOUR, noise=0)
    x, t = torch.randn(4, 2).bfloat16(), torch.rand(4)
    assert field(x, t).dtype == field.score(x, t).dtype == torch.bfloat16


def test_parts_that_make_no_sense_are_refused():
    with pytest.raises(InvalidInput, match="noise is marginal 3, expected one of 0 to 2"):
        CornerField(gaussians(), EDGE, noise=3)
    with pytest.raises(Incompatible, match="expected times to weights"):
        CornerField.__post_init__(SimpleNamespace(curve=0.5, noise=None))
    with pytest.raises(InvalidInput, match=r"gave shape \[4, 2\] for states of shape \[4, 2\] and 3 marginals"):
        CornerField(lambda x, a, cond=None: x, EDGE)(torch.zeros(4, 2), torch.zeros(4))
