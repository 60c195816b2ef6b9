import importlib

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from pushforward.core import InvalidInput, RunFailed
from pushforward.metrics import wasserstein
from pushforward.metrics._pairs import distances
from pushforward.metrics.wasserstein import _least_cost

wasserstein_module = importlib.import_module("pushforward.metrics.wasserstein")


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_line_by_hand(p):
    x, y = torch.tensor([3.0, 0.0]), torch.tensor([[1.0], [5.0]])  # 0 -> 1, 3 -> 5
    assert wasserstein(x[:, None], y, p) == pytest.approx(((1 + 2**p) / 2) ** (1 / p))
    assert wasserstein(x, y[:, 0], p) == wasserstein(x[:, None], y, p)
    # unequal sizes: half of the single row goes to each
    assert wasserstein(y[:1], y, p) == pytest.approx((4**p / 2) ** (1 / p))


@pytest.mark.parametrize("d", [1, 2, 5, 40])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_translation(d, p, gen):
    x = torch.randn(60, d, generator=gen, dtype=torch.float64)
    c = torch.linspace(1, 2, d, dtype=torch.float64)
    assert wasserstein(x, x.flip(0) + c, p) == pytest.approx(float(c.norm()), rel=1e-10)


def test_gradient_of_a_convex_function_is_optimal(gen):
    # Brenier: x -> m + A x with A positive definite is the optimal map, of the sample set as well
    x = torch.randn(200, 3, generator=gen, dtype=torch.float64)
    L = torch.randn(3, 3, generator=gen, dtype=torch.float64)
    y = x @ (L @ L.T) + 1.0
    shuffled = y[torch.randperm(200, generator=gen)]
    assert wasserstein(x, shuffled) == pytest.approx(float((x - y).square().sum(1).mean().sqrt()), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(12, 12), (6, 4), (5, 1), (9, 12)])
@pytest.mark.parametrize("p", [1, 2])
def test_against_another_solver(n, m, p, gen):
    x, y = (torch.randn(k, 2, generator=gen, dtype=torch.float64) for k in (n, m))
    u, v = (z.repeat_interleave(np.lcm(n, m) // len(z), 0) for z in (x, y))  # equal masses: an assignment problem
    cost = (u[:, None] - v).norm(dim=2).numpy() ** p
    assert wasserstein(x, y, p) == pytest.approx(cost[linear_sum_assignment(cost)].mean() ** (1 / p), rel=1e-12)


def test_gaussians(gen):
    n = 400
    mean, scale = torch.tensor([2.0, 0.0]), torch.tensor([0.5, 2.0])
    x, x2, z, z2 = torch.randn(4, n, 2, generator=gen)
    y, y2 = mean + scale * z, mean + scale * z2
    exact = float((mean.square().sum() + (1 - scale).square().sum()).sqrt())
    # |W(x_n, y_n) - W| <= W(x_n, mu) + W(y_n, nu), and E W^2(x_n, mu) <= E W^2(x_n, x'_n), by convexity
    assert wasserstein(x, y) == pytest.approx(exact, abs=wasserstein(x, x2) + wasserstein(y, y2))


def test_equal_points_and_constants():
    x = torch.ones(7, 3)
    assert wasserstein(x, x[:4]) == 0.0
    assert wasserstein(x, x + 1) == pytest.approx(3**0.5)


def test_iterations_are_never_cut(monkeypatch):
    seen = {}
    solver = ot.emd2

    def spy(*args, **kwargs):
        seen.update(kwargs)
        return solver(*args, **kwargs)

    monkeypatch.setattr(ot, "emd2", spy)
    x = torch.arange(8.0).reshape(4, 2)
    wasserstein(x, x)
    assert seen["numItermax"] >= 10**9

    monkeypatch.setattr(ot, "emd2", lambda *args, **kwargs: solver(*args, **kwargs | {"numItermax": 1}))
    with (
        pytest.warns(UserWarning, match="numItermax"),
        pytest.raises(RunFailed, match="between 50 and 50 samples did not finish"),
    ):
        wasserstein(torch.rand(50, 2), torch.rand(50, 2))


@pytest.mark.parametrize("p", [0.5, float("inf"), float("nan")])
def test_refuses_exponents(p):
    with pytest.raises(InvalidInput, match="expected 1 <= p < inf"):
        wasserstein(torch.zeros(2, 2), torch.zeros(2, 2), p)


@pytest.mark.parametrize(("d", "p"), [(2, 2), (8, 2), (9, 2), (2, 1), (3, 1.5)])
def test_large_sets_agree_with_the_simplex(d, p, gen):
    x, y = torch.randn(520, d, generator=gen), 2 * torch.randn(520, d, generator=gen) + 100
    exact = _least_cost(distances(x.double(), y.double()).pow(p))
    assert exact * (1 - 1e-13) <= wasserstein(x, y, p) ** p <= exact * (1 + 1e-8)


def test_large_sets_of_a_convex_gradient(gen):
    x = torch.randn(3000, 2, generator=gen, dtype=torch.float64)
    y = x @ torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64) - 1.0
    exact = float((x - y).square().sum(1).mean().sqrt())
    assert wasserstein(x, y[torch.randperm(3000, generator=gen)]) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("d", [2, 10])
def test_large_sets_that_are_equal_or_constant(d, gen):
    x = torch.randn(600, d, generator=gen)
    assert wasserstein(x, x[torch.randperm(600, generator=gen)]) < 1e-6
    assert wasserstein(x, x + 1) == pytest.approx(d**0.5, rel=1e-6)
    point = torch.ones(600, d)
    assert wasserstein(point, point) == 0.0
    assert wasserstein(point, point + 1) == pytest.approx(d**0.5)


def test_large_sets_that_end_above_their_bound_are_refused(monkeypatch, gen):
    solver = wasserstein_module.point_auction
    monkeypatch.setattr(
        wasserstein_module, "point_auction", lambda *args, **kwargs: solver(*args, **kwargs)._replace(gap=1.0)
    )
    with pytest.raises(RunFailed, match="above its bound"):
        wasserstein(torch.randn(600, 2, generator=gen), torch.randn(600, 2, generator=gen))
