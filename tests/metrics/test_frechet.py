import pytest
import scipy.linalg
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import frechet


def _with_moments(mean, cov, n, gen):
    """Samples whose empirical moments are exactly these."""
    z = torch.randn(n, len(mean), generator=gen, dtype=torch.float64)
    q, _ = torch.linalg.qr(z - z.mean(0))
    return mean + (n - 1) ** 0.5 * q @ torch.linalg.cholesky(cov).T


def test_known_moments(gen):
    m1, m2 = torch.randn(2, 4, generator=gen, dtype=torch.float64)
    S1, S2 = (A @ A.T for A in torch.randn(2, 4, 4, generator=gen, dtype=torch.float64))
    x, y = _with_moments(m1, S1, 50, gen), _with_moments(m2, S2, 30, gen)
    root = scipy.linalg.sqrtm((S1 @ S2).numpy()).real  # not symmetric, the same trace
    exact = (m1 - m2).square().sum() + S1.trace() + S2.trace() - 2 * root.trace()
    assert frechet(x, y) == pytest.approx(float(exact), rel=1e-9)


def test_commuting_covariances(gen):
    s1, s2 = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), torch.tensor([3.0, 0.1, 0.5], dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)
    x, y = (_with_moments(zero, s.square().diag(), 20, gen) for s in (s1, s2))
    assert frechet(x, y) == pytest.approx(float((s1 - s2).square().sum()), rel=1e-10)


def test_fewer_samples_than_features(gen):
    # tr (S1^1/2 S2 S1^1/2)^1/2 is the nuclear norm of the small matrix of inner products between centred samples
    x, y = torch.randn(6, 40, generator=gen, dtype=torch.float64), torch.rand(9, 40, generator=gen, dtype=torch.float64)
    a, b = ((z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (x, y))
    cross = torch.linalg.matrix_norm(a @ b.T, "nuc")
    exact = (x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * cross
    # a null eigenvalue is known to about 1e-16, its root to 1e-8; they meet 34 times
    assert frechet(x, y) == pytest.approx(float(exact), abs=1e-6)


def test_features_see_whole_samples():
    x = torch.arange(48.0).reshape(4, 3, 2, 2)
    y = x.flip(1) * 2
    pooled = frechet(x, y, features=lambda z: z.mean((2, 3)))
    assert pooled == pytest.approx(frechet(x.mean((2, 3)), y.mean((2, 3))))
    assert pooled != pytest.approx(frechet(x, y), rel=0.1)


def test_floor(gen):
    f, n, m, draws = 4, 400, 300, 100
    x, y = torch.randn(draws, n, f, generator=gen), torch.randn(draws, m, f, generator=gen)
    values = torch.tensor([frechet(a, b) for a, b in zip(x, y, strict=True)])
    told = (1 / n + 1 / m) * (f + f * (f + 1) / 4)
    # the next order is smaller by about f / n
    assert float(values.mean()) == pytest.approx(told, abs=4 * float(values.std()) / draws**0.5 + told * f / m)


def test_refusals():
    x = torch.randn(5, 2)
    with pytest.raises(InvalidInput, match="at least 2 in each"):
        frechet(x[:1], x)
    with pytest.raises(InvalidInput, match=r"features\(x\) has NaN"):
        frechet(x, x, features=lambda z: z * float("nan"))
