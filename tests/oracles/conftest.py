"""Mixtures, paths and a plain RK4 that the tests of the oracles share."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from pushforward.core import Coeffs
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import (
    Affine,
    Brownian,
    CondOT,
    Constant,
    Cosine,
    EncodingDecoding,
    KineticOptimal,
    LinearVP,
    Mirror,
    Polynomial,
    SineSquared,
    Trigonometric,
    VarianceExploding,
    VariancePreserving,
)


def spd(*shape: int, seed: int) -> Tensor:
    """Random symmetric positive definite matrices."""
    M = torch.randn(*shape, shape[-1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return M @ M.mT / shape[-1] + 0.2 * torch.eye(shape[-1], dtype=torch.float64)


def coupled(K: int, d: int, seed: int) -> GaussianMixture:
    """Full source covariances, source means and random cross covariances."""
    g = torch.Generator().manual_seed(seed)
    joint = spd(K, 2 * d, seed=seed)
    means, source = torch.randn(2, K, d, generator=g, dtype=torch.float64)
    weights = torch.rand(K, generator=g, dtype=torch.float64) + 0.2
    return GaussianMixture(
        2 * means,
        joint[:, d:, d:],
        weights / weights.sum(),
        source_means=source,
        source_covariances=joint[:, :d, :d],
        cross=joint[:, :d, d:],
    )


@dataclass(frozen=True)
class StandIn:
    """Not a member of any room: all that `along` may ask of a path."""

    def coeffs(self, t: Tensor) -> Coeffs:
        return Coeffs(t**2, torch.exp(-t), 2 * t, -torch.exp(-t))

    def latent(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 0.5 + t, 0.5 + t


MIXTURES = {
    "reference": reference_mixture(),
    "one-dimensional": GaussianMixture([[-1.0], [1.5]], [0.3, 0.1], [0.4, 0.6]),
    "shifted source": GaussianMixture(
        [[1.0, 0.0], [0.0, 2.0]],
        [0.5, 0.2],
        source_means=[[-1.0, 0.5], [0.3, 0.0]],
        source_covariances=[[0.4, 1.5], [1.0, 0.6]],
    ),
    "coupled": coupled(3, 3, seed=1),
}
PATHS = {
    "CondOT": Affine(CondOT()),
    "Polynomial": Affine(Polynomial(2)),
    "Cosine": Affine(Cosine()),
    "LinearVP": Affine(LinearVP()),
    "VariancePreserving": Affine(VariancePreserving()),
    "VarianceExploding": Affine(VarianceExploding(0.05, 5.0)),
    "Brownian": Affine(CondOT(), Brownian(1.0)),
    "Constant": Affine(Cosine(), Constant(0.3)),
    "KineticOptimal": Affine(KineticOptimal((0.3, 0.5, 0.9, 1.0))),
    "SineSquared": Affine(CondOT(), SineSquared(0.8)),
    "Trigonometric": Affine(Trigonometric(Brownian(1.3)), Brownian(1.3)),
    "EncodingDecoding": Affine(EncodingDecoding(), SineSquared()),
    "LinearVP, Brownian": Affine(LinearVP(), Brownian(0.6)),
    "VariancePreserving, SineSquared": Affine(VariancePreserving(), SineSquared(0.5)),
    "Trigonometric, SineSquared": Affine(Trigonometric(SineSquared(0.9)), SineSquared(0.9)),
    "Mirror": Affine(Mirror(), Brownian(0.7)),
    "stand-in": StandIn(),
}


@pytest.fixture(params=MIXTURES)
def mixture(request) -> GaussianMixture:
    return MIXTURES[request.param]


@pytest.fixture(params=PATHS)
def path(request):
    return PATHS[request.param]


@pytest.fixture(params=[name for name, path in PATHS.items() if path.latent is None])
def plain_path(request) -> Affine:
    """A path whose velocity determines both ends."""
    return PATHS[request.param]


@pytest.fixture
def reference() -> GaussianMixture:
    return reference_mixture()


@pytest.fixture
def make_spd() -> Callable[..., Tensor]:
    return spd


@pytest.fixture
def make_coupled() -> Callable[..., GaussianMixture]:
    return coupled


@pytest.fixture
def points() -> Callable[..., tuple[Tensor, Tensor]]:
    """States that the path visits and interior times, `n` rows."""

    def draw(exact, n: int = 16) -> tuple[Tensor, Tensor]:
        g = torch.Generator().manual_seed(3)
        t = 0.05 + 0.9 * torch.rand(n, generator=g, dtype=torch.float64)
        return exact.sample(n, t, generator=g), t

    return draw


@pytest.fixture
def rk4() -> Callable[..., Tensor]:
    """dx/dt = field(x, t) from s to t, one scalar time for all rows."""

    def follow(field, x: Tensor, s: float, t: float, steps: int = 400) -> Tensor:
        h = (t - s) / steps
        for i in range(steps):
            now = s + i * h
            k1 = field(x, now)
            k2 = field(x + h / 2 * k1, now + h / 2)
            k3 = field(x + h / 2 * k2, now + h / 2)
            k4 = field(x + h * k3, now + h)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x

    return follow


@pytest.fixture
def legendre() -> Callable[..., tuple[Tensor, Tensor]]:
    """Gauss-Legendre nodes and weights on [0, 1]."""

    def rule(n: int) -> tuple[Tensor, Tensor]:
        import numpy as np

        nodes, weights = np.polynomial.legendre.leggauss(n)
        return torch.tensor((nodes + 1) / 2), torch.tensor(weights / 2)

    return rule
