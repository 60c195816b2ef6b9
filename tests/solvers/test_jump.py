"""Jumps of exact flow maps."""

import pytest
import torch

from pushforward.core import Incompatible, Solver
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Brownian
from pushforward.solvers import Jump, solve

PATH = Affine()
F64 = torch.float64


@pytest.fixture(scope="module")
def plane():
    return GaussianMixture([[1.0, -0.5]], [[[0.5, 0.3], [0.3, 0.4]]]).along(PATH)


def noise(n, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_is_a_solver():
    assert isinstance(Jump(), Solver)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_exact_jumps_compose(plane, steps):
    x = noise(20)
    found = solve(plane.flow_map, x, torch.linspace(0, 1, steps + 1), solver=Jump())
    assert found.nfe == steps
    torch.testing.assert_close(found.x, plane.flow_map(x, 0.0, 1.0), rtol=0, atol=1e-12)
    back = solve(plane.flow_map, found.x, torch.linspace(1, 0, steps + 1), solver=Jump())
    torch.testing.assert_close(back.x, x, rtol=0, atol=1e-10)


def test_one_jump_needs_no_new_noise(plane):
    x = noise(20)
    plain, renoised = (solve(plane.flow_map, x, [0.0, 1.0], solver=s).x for s in (Jump(), Jump(PATH, renoise=True)))
    assert torch.equal(plain, renoised)


@pytest.mark.parametrize("t", [0.3, 0.8, 1.0])
def test_renoised_jumps_keep_the_marginals(plane, t):
    """Mean and covariance within four standard errors of 20,000 draws."""
    n = 20_000
    g = torch.Generator().manual_seed(1)
    x = solve(plane.flow_map, noise(n), [0.0, t / 2, t], solver=Jump(PATH, renoise=True), generator=g).x
    exact = GaussianMixture([[1.0, -0.5]], [[[0.5, 0.3], [0.3, 0.4]]])
    mean, covariance = t * exact.means[0], t**2 * exact.covariances[0] + (1 - t) ** 2 * torch.eye(2, dtype=F64)
    assert ((x.mean(0) - mean).abs() < 4 * (covariance.diagonal() / n).sqrt()).all()
    variances = torch.outer(covariance.diagonal(), covariance.diagonal()) + covariance**2
    assert ((x.T.cov() - covariance).abs() < 4 * (variances / n).sqrt()).all()


def test_renoising_forgets_the_start(plane):
    """The ends of 20,000 rows that went by t = 0.2 with noise of their own hardly know where they came from."""
    x = noise(20_000)
    g = torch.Generator().manual_seed(1)
    kept = solve(plane.flow_map, x, [0.0, 0.2, 1.0], solver=Jump()).x
    fresh = solve(plane.flow_map, x, [0.0, 0.2, 1.0], solver=Jump(PATH, renoise=True), generator=g).x
    correlation = lambda y: float(torch.corrcoef(torch.stack([x[:, 0], y[:, 0]]))[0, 1])
    assert correlation(kept) > 0.9
    assert abs(correlation(fresh)) < 0.5


def test_mappings_and_dtypes():
    still = lambda x, s, t, cond: x
    x = {"a": torch.ones(3, 2), "b": torch.ones(3, dtype=torch.bfloat16)}
    found = solve(still, x, [0.0, 1.0], solver=Jump(PATH, renoise=True), generator=torch.Generator().manual_seed(0)).x
    assert {k: v.dtype for k, v in found.items()} == {"a": torch.float32, "b": torch.bfloat16}
    assert torch.equal(found["a"], x["a"])  # at t = 1 nothing of the noise is left


def test_refuses_to_put_noise_back_without_a_path():
    with pytest.raises(Incompatible, match="affine path without latent noise"):
        Jump(renoise=True)


def test_refuses_a_path_with_latent_noise():
    with pytest.raises(Incompatible, match="affine path without latent noise"):
        Jump(Affine(latent=Brownian()), renoise=True)
