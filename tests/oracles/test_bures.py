"""Gaussian transport against its defining equations, published numbers, POT, and the bridge it starts."""

import numpy as np
import ot
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.oracles import GaussianMixture, entropic_cross, gaussian_ot
from pushforward.paths import Affine, Brownian, CondOT

F64 = torch.float64
close = torch.testing.assert_close
A, B = torch.tensor([[[1.0, 0.3], [0.3, 0.5]], [[2.0, -0.4], [-0.4, 1.0]]], dtype=F64)
ZERO = torch.zeros(2, dtype=F64)


def test_golden_plane():
    matrix, distance = gaussian_ot(ZERO, A, ZERO, B)
    close(matrix, torch.tensor([[1.530161, -0.517953], [-0.517953, 1.559783]], dtype=F64), rtol=0, atol=1e-6)
    close(distance, torch.tensor(0.5014382285, dtype=F64), rtol=0, atol=1e-10)
    golden = torch.tensor([[1.068199, -0.046877], [0.187508, 0.365045]], dtype=F64)
    close(entropic_cross(A, B, 0.7**0.5), golden, rtol=0, atol=1e-6)


def test_optimal_map_is_symmetric_and_lands(make_spd):
    """T S0 T = S1 with T symmetric positive definite has one solution, batched here over 5 pairs."""
    S0, S1 = make_spd(2, 5, 4, seed=0)
    means = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=F64)
    T, distance = gaussian_ot(means[0], S0, means[1], S1)
    close(T @ S0 @ T, S1, rtol=1e-10, atol=1e-10)
    close(T, T.mT, rtol=0, atol=0)
    assert float(torch.linalg.eigvalsh(T).min()) > 0
    for i in range(5):
        pot = ot.gaussian.bures_wasserstein_distance(*(v[i].numpy() for v in (*means, S0, S1)))
        close(distance[i], torch.tensor(float(pot), dtype=F64) ** 2, rtol=1e-8, atol=0)
    same = gaussian_ot(means[0], S0, means[0], S0)
    close(same.squared_distance, torch.zeros(5, dtype=F64), rtol=0, atol=1e-20)


def test_entropic_plan_against_sinkhorn():
    """Cov(x0, x1) of POT's plan on a grid; the cost |x0 - x1|^2 goes with epsilon = 2 volatility^2."""
    s0, s1, volatility = 0.8, 1.3, 0.9
    x, y = (np.linspace(-6 * s, 6 * s, 121) for s in (s0, s1))
    a, b = (np.exp(-(g**2) / (2 * s**2)) for g, s in ((x, s0), (y, s1)))
    cost = (x[:, None] - y) ** 2
    plan = ot.sinkhorn(a / a.sum(), b / b.sum(), cost, reg=2 * volatility**2, stopThr=1e-12, numItermax=10_000)
    covariance = entropic_cross([[s0**2]], [[s1**2]], volatility)
    close(float(covariance), float(x @ plan @ y), rtol=1e-7, atol=0)
    close(float(covariance), (np.sqrt(4 * s0**2 * s1**2 + volatility**4) - volatility**2) / 2, rtol=1e-12, atol=0)


def test_the_plan_has_the_kernel_of_the_reference(make_spd):
    """log pi(x0, x1) has the cross term x0 . x1 / volatility^2: the off-diagonal block of the precision is -I / s^2."""
    S0, S1 = make_spd(2, 3, seed=3)
    G = entropic_cross(S0, S1, 0.6)
    joint = torch.cat([torch.cat([S0, G], 1), torch.cat([G.mT, S1], 1)])
    close(torch.linalg.inv(joint)[:3, 3:], -torch.eye(3, dtype=F64) / 0.36, rtol=1e-9, atol=1e-9)


def test_limits_of_the_volatility(make_spd):
    S0, S1 = make_spd(2, 3, seed=3)
    close(entropic_cross(S0, S1, 0.0), S0 @ gaussian_ot(S0[0], S0, S0[0], S1).matrix, rtol=1e-9, atol=1e-9)
    # to first order in 1 / volatility^2 the plan is S0 S1 / volatility^2; a cancelling formula would lose all digits
    close(1e12 * entropic_cross(S0, S1, 1e6), S0 @ S1, rtol=1e-9, atol=1e-9)


def test_the_bridge_reaches_the_plan(make_spd, rk4):
    """The drift v + s^2/2 score of the bridge carries Cov(X_t, X_0) from S0 to G^T."""
    S0, S1 = make_spd(2, 2, seed=6)
    volatility = 0.8
    G = entropic_cross(S0, S1, volatility)
    one = GaussianMixture(ZERO[None], S1[None], source_covariances=S0[None], cross=G[None])
    exact = one.along(Affine(CondOT(), Brownian(volatility)))

    def push(covariance, t):  # the drift is linear, so it acts on the columns, here the rows of the transpose
        rows = covariance.mT.contiguous()
        return (exact(rows, t) + volatility**2 / 2 * exact.score(rows, t)).mT

    close(rk4(push, S0, 0.0, 1.0, steps=100), G.mT, rtol=0, atol=1e-7)  # order 4: a few times 100^-4


def test_refusals():
    singular = [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(InvalidInput, match="cov0 is not positive definite"):
        gaussian_ot([0.0, 0.0], singular, [0.0, 0.0], singular)
    with pytest.raises(InvalidInput, match="cov0 is not positive definite"):
        entropic_cross(singular, singular, 1.0)
    with pytest.raises(InvalidInput, match=r"volatility is -1\.0, expected >= 0"):
        entropic_cross([[1.0]], [[1.0]], -1.0)
