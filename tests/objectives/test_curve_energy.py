"""The search for a cheaper curve: energy and slope against the exact metric, and the best curve against SciPy."""

import math
from types import SimpleNamespace

import pytest
import torch
from scipy.optimize import minimize

from pushforward.core import Incompatible, InvalidInput, Objective, Pairs
from pushforward.fields import CornerField
from pushforward.metrics import path_energy
from pushforward.objectives import CurveEnergy
from pushforward.oracles import IndependentGaussians, gaussian_ot
from pushforward.paths import LearnedCurve, Polyline
from pushforward.training import Training, train

F64 = torch.float64
EDGE = Polyline.edge(0, 1, marginals=3)


def gaussians():
    """Two tilted Gaussians, and a wide one beside the way between them."""
    S = torch.tensor([[[1.0, 0.5], [0.5, 0.6]], [[0.6, -0.4], [-0.4, 1.0]], [[24.0, 0.0], [0.0, 24.0]]], dtype=F64)
    return IndependentGaussians([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.5]], S)


def exact_energy(oracle, curve, nodes=400):
    """int a' . G a' dt by the midpoint rule: O(nodes^-2), 1e-5 for speeds of order 1."""
    a, d_a = curve((torch.arange(nodes, dtype=F64) + 0.5) / nodes)
    return torch.einsum("bk,bkl,bl->b", d_a, oracle.metric(a), d_a).mean()


def best_curve(oracle, steps):
    """Least energy over polygons of so many pieces between corners 0 and 1, inside the simplex, by SciPy."""
    ends = torch.eye(3, dtype=F64)[:2]

    def polygon(free):
        inner = torch.stack([free[:, 0], 1 - free.sum(1), free[:, 1]], 1)
        return torch.cat([ends[:1], inner, ends[1:]])

    def value(flat):
        free = torch.tensor(flat).reshape(-1, 2).requires_grad_()
        a = polygon(free)
        d_a, middle = steps * a.diff(dim=0), (a[1:] + a[:-1]) / 2
        energy = torch.einsum("bk,bkl,bl->b", d_a, oracle.metric(middle), d_a).mean()
        energy.backward()
        return energy.item(), free.grad.flatten().numpy()

    s = torch.linspace(0, 1, steps + 1, dtype=F64)[1:-1]
    start = torch.stack([(1 - s) * (1 - 0.3 * s), 0.3 * s * (1 - s)], 1).flatten().numpy()
    options = {"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(value, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(start), options=options)
    return found.fun, polygon(torch.tensor(found.x).reshape(-1, 2))


def learned(oracle, degree):
    """Least energy over learned curves, by LBFGS on the exact energy."""
    curve = LearnedCurve(0, 1, marginals=3, degree=degree).double()
    search = torch.optim.LBFGS(curve.parameters(), max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure():
        search.zero_grad()
        energy = exact_energy(oracle, curve)
        energy.backward()
        return energy

    search.step(closure)
    return float(exact_energy(oracle, curve).detach()), curve


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("curve", [EDGE, Polyline.detour(0, 1, marginals=3), LearnedCurve(0, 1, marginals=3)])
def test_the_energy_is_that_of_the_metric_and_of_the_field(curve):
    """Monte-Carlo over 20 batches within 4 standard errors, and `path_energy` of the field within 4 of its rows."""
    oracle, objective = gaussians(), CurveEnergy(gaussians())
    assert isinstance(objective, Objective)
    exact = float(exact_energy(oracle, curve).detach())
    with torch.no_grad():
        found = torch.stack(
            [objective(curve, oracle.sample_pairs(2000, generator=gen(s)), generator=gen(s)).value for s in range(20)]
        )
    assert abs(found.mean() - exact) < 4 * found.std() / math.sqrt(20) + 1e-4
    # trajectories have the marginals of x(a), so the field's own energy is the same number: 20 groups of 200
    rows = oracle.sample_pairs(4000, generator=gen()).x0
    energies = torch.tensor([path_energy(objective.field(curve), part, steps=40) for part in rows.split(200)])
    assert abs(energies.mean() - exact) < 4 * energies.std() / math.sqrt(20) + 5e-3  # O(40^-2) of the midpoint rule


def test_an_edge_from_noise_has_the_closed_energy_of_cond_ot():
    """|mu|^2 + d + tr S - (pi/2) tr S^(1/2), by the metric."""
    oracle = IndependentGaussians(
        [[0.0, 0.0], [1.0, -2.0]], torch.tensor([[[1.0, 0], [0, 1]], [[4.0, 0], [0, 0.25]]], dtype=F64)
    )
    closed = 5 + 2 + 4.25 - math.pi / 2 * 2.5
    assert abs(exact_energy(oracle, Polyline.edge(0, 1, marginals=2)) - closed) < 1e-4


def test_the_slope_is_that_of_the_metric():
    """Every parameter's gradient, mean of 30 batches, within 4.5 standard errors of the exact one (21 of them)."""
    oracle, curve = gaussians(), LearnedCurve(0, 1, marginals=3).double()
    exact = torch.autograd.grad(exact_energy(oracle, curve), curve.coefficients)[0]
    objective = CurveEnergy(oracle)
    found = torch.stack(
        [
            torch.autograd.grad(
                objective(curve, oracle.sample_pairs(1000, generator=gen(s)), generator=gen(s)).value,
                curve.coefficients,
            )[0]
            for s in range(30)
        ]
    )
    assert ((found.mean(0) - exact).abs() < 4.5 * found.std(0) / math.sqrt(30) + 1e-4).all()


def test_the_best_learned_curve_is_the_geodesic():
    """Against polygons of 50 and 100 pieces, whose energy errs by O(steps^-2): extrapolated, and its error bounded by
    what the extrapolation changed. The learned curve's own error falls faster than by half from degree 8 to 12, so it
    is below what these four degrees gained.
    """
    oracle = gaussians()
    least = float(gaussian_ot(*(m for k in (0, 1) for m in (oracle.means[k], oracle.covariances[k]))).squared_distance)
    coarse, fine = best_curve(oracle, 50)[0], best_curve(oracle, 100)[0]
    optimum, error = fine + (fine - coarse) / 3, abs(fine - coarse) / 3
    shorter, _ = learned(oracle, 8)
    energy, curve = learned(oracle, 12)
    straight = float(exact_energy(oracle, EDGE))
    assert least < optimum - error
    assert optimum - error < energy < optimum + error + (shorter - energy)
    assert straight - energy > 100 * (shorter - energy + error)  # what is gained is no error
    ends = curve(torch.tensor([0.0, 1.0], dtype=F64))[0].detach()
    torch.testing.assert_close(ends, torch.eye(3, dtype=F64)[:2], rtol=0, atol=0)
    a, d_a = curve(torch.linspace(0.05, 0.95, 50, dtype=F64))
    speed = torch.einsum("bk,bkl,bl->b", d_a, oracle.metric(a), d_a).detach()
    assert (speed / energy - 1).abs().max() < 0.05  # a geodesic's energy is constant in time


@pytest.mark.story
def test_training_finds_most_of_what_can_be_gained():
    """From samples alone, through the ordinary loop, and without touching the means."""
    oracle = gaussians()

    class Draws:
        def pairs(self, step, size, *, seed):
            return oracle.sample_pairs(size, generator=torch.Generator().manual_seed(step))

    curve = LearnedCurve(0, 1, marginals=3).double()
    settings = Training(800, 512, 0.03, 0.0, ema=None, weight_decay=0.0, device="cpu", precision="64-true", workers=0)
    found = train(curve, CurveEnergy(oracle), Draws(), settings).net
    energy, straight = (float(exact_energy(oracle, c).detach()) for c in (found, EDGE))
    best = best_curve(oracle, 100)[0]
    assert straight - energy > 0.9 * (straight - best)


def test_what_is_trained_is_the_curve():
    g = torch.nn.Linear(2, 2)
    corners = lambda x, a, cond=None: torch.stack([x, g(x), -x], 1)
    curve = LearnedCurve(0, 1, marginals=3)
    pairs = gaussians().sample_pairs(50, generator=gen()).map(torch.Tensor.float)
    CurveEnergy(corners)(curve, pairs, generator=gen()).value.backward()
    assert curve.coefficients.grad.isfinite().all()
    assert (curve.coefficients.grad.abs().sum(1) > 0).all()
    assert isinstance(CurveEnergy(corners).field(curve), CornerField)


def test_what_does_not_fit_is_refused():
    with pytest.raises(Incompatible, match="corners is None"):
        CurveEnergy.__post_init__(SimpleNamespace(corners=None, draw=None))
    with pytest.raises(InvalidInput, match="have 2 anchors, the path joins 3"):
        CurveEnergy(gaussians())(EDGE, Pairs((torch.zeros(4, 2), torch.zeros(4, 2))))
