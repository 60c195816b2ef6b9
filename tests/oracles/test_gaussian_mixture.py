"""The law of the ends: density, draws, posteriors and tilts by Bayes' rule at every point, and refusals."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from pushforward.core import InvalidInput, align
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, CondOT, Cosine

F64 = torch.float64
close = torch.testing.assert_close
EYE = [[1.0, 0.0], [0.0, 1.0]]
A2 = torch.tensor([[1.0, 0.5], [0.0, -2.0], [0.3, 0.3]], dtype=F64)


def normal_log_prob(y, mean, std):
    return Normal(mean, std).log_prob(y).sum(-1)


def joint(mixture):
    """The same mixture as a law of the stacked vector (x0, x1)."""
    blocks = [[mixture.source_covariances, mixture.cross], [mixture.cross.mT, mixture.covariances]]
    return GaussianMixture(
        torch.cat([mixture.source_means, mixture.means], 1),
        torch.cat([torch.cat(row, -1) for row in blocks], -2),
        mixture.weights,
    )


def pairs_of(mixture, n=64):
    x0, x1 = mixture.sample_pairs(n, generator=torch.Generator().manual_seed(5)).anchors
    return torch.cat([x0, x1], 1), x1


def measurement(mixture, std=0.4):
    """Independent rows, and what a draw of x1 gives."""
    d = mixture.means.shape[1]
    g = torch.Generator().manual_seed(8)
    A, n = torch.randn(min(2, d), d, generator=g, dtype=F64), torch.randn(min(2, d), generator=g, dtype=F64)
    return A, A @ mixture.sample(1, generator=g)[0] + std * n, std


def test_golden_log_density(reference):
    x = torch.tensor([[1.7, -0.1], [-2.3, 1.2], [0.0, 0.0]], dtype=F64)
    golden = torch.tensor([-1.308257649, -2.260939687, -9.289992087], dtype=F64)
    close(reference.log_prob(x), golden, rtol=0, atol=1e-9)
    assert reference.log_prob(x.float()).dtype == torch.float32


def test_log_prob_against_torch(mixture):
    other = MixtureSameFamily(Categorical(mixture.weights), MultivariateNormal(mixture.means, mixture.covariances))
    x = 3 * torch.randn(50, mixture.means.shape[1], generator=torch.Generator().manual_seed(0), dtype=F64)
    close(mixture.log_prob(x), other.log_prob(x), rtol=1e-11, atol=1e-11)


def test_draws_have_the_moments_of_the_law(mixture):
    """Means and second moments of (x0, x1), within 5 standard errors."""
    n = 50_000
    x0, x1 = mixture.sample_pairs(n, generator=torch.Generator().manual_seed(0)).anchors
    z = torch.cat([x0, x1], 1)
    law = joint(mixture)
    mean = law.weights @ law.means
    second = (law.weights[:, None, None] * (law.covariances + law.means[:, :, None] * law.means[:, None, :])).sum(0)
    for draws, expected in ((z, mean), ((z[:, :, None] * z[:, None, :]).flatten(1), second.flatten())):
        assert bool(((draws.mean(0) - expected).abs() <= 5 * draws.std(0) / math.sqrt(n)).all())


def test_draws_repeat_and_stay_in_their_components(reference):
    draw = lambda seed: reference.sample(100, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    never = GaussianMixture([[-100.0], [0.0], [100.0]], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0])
    assert float(never.sample(1000, generator=torch.Generator().manual_seed(0)).abs().max()) < 50
    assert reference.float().sample(3).dtype == torch.float32


def test_singular_couplings_draw_exactly():
    """x1 = mean + x0: the joint covariance has rank one, and every draw keeps the equation."""
    one = GaussianMixture([[3.0, 4.0]], [EYE], cross=[EYE])
    x0, x1 = one.sample_pairs(50, generator=torch.Generator().manual_seed(0)).anchors
    close(x1 - x0, torch.tensor([3.0, 4.0], dtype=F64).expand(50, 2), rtol=0, atol=1e-7)


@pytest.mark.parametrize("std", [0.4, 1e-3, 1e-6])
def test_posterior_is_bayes_rule(mixture, std):
    """log p(x0, x1 | y) = log p(x0, x1) + log p(y | x1) - log p(y), at every point."""
    A, y, std = measurement(mixture, std)
    z, x1 = pairs_of(mixture)
    evidence = mixture.log_evidence(A, y, std)
    posterior = mixture.posterior(A, y, std)
    # the measured axes of a posterior covariance are std^2, and its entries are rounded
    rounded = 1e-9 + 10 * torch.finfo(F64).eps / std**2
    expected = joint(mixture).log_prob(z) + normal_log_prob(y, x1 @ A.mT, std) - evidence
    close(joint(posterior).log_prob(z), expected, rtol=rounded, atol=1e-9)
    expected = mixture.log_prob(x1) + normal_log_prob(y, x1 @ A.mT, std) - evidence
    close(posterior.log_prob(x1), expected, rtol=rounded, atol=1e-9)
    seen = MultivariateNormal(mixture.means @ A.mT, A @ mixture.covariances @ A.mT + std**2 * torch.eye(len(A)).to(A))
    log_joint = mixture.log_weights + seen.log_prob(y)
    close(evidence, log_joint.logsumexp(0), rtol=1e-10, atol=1e-10)
    close(posterior.weights, log_joint.softmax(0), rtol=1e-9, atol=0)
    gain = torch.linalg.solve(seen.covariance_matrix, A @ mixture.covariances).mT
    close(posterior.means, mixture.means + ((y - seen.mean)[:, None] @ gain.mT)[:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("std", [1e-2, 1e-6, 1e-8])
def test_a_measurement_taken_twice_counts_as_one_of_half_the_variance(reference, std):
    A, y = [[1.0, 0.3]], torch.tensor([0.5], dtype=F64)
    once, twice = reference.posterior(A, y, std), reference.posterior(2 * A, y.repeat(2), std * math.sqrt(2))
    for name in ("weights", "means", "covariances"):
        close(getattr(twice, name), getattr(once, name), rtol=1e-7, atol=1e-9, msg=name)
    # golden: the weights in the limit of no noise, from N(0.5; A mu, A S A^T)
    close(once.weights, torch.tensor([0.157631832247, 0.842368167753], dtype=F64), rtol=0, atol=1e-11 + 0.8 * std**2)
    single = reference.float().posterior(A, y, max(std, 1e-4))
    close(single.weights.double(), once.weights, rtol=0, atol=1e-6 + 0.8 * std**2)


def test_too_little_noise_is_told(reference):
    with pytest.raises(InvalidInput, match=r"noise_std is 1e-12, so small .* flat in torch.float64; use more of it$"):
        reference.posterior([[1.0, 0.3]], [0.5], 1e-12)
    with pytest.raises(InvalidInput, match=r"noise_std is 1e-07, so small .* flat in torch.float32; use more of it or"):
        reference.float().posterior([[1.0, 0.3]], [0.5], 1e-7)


def test_tilt_is_a_change_of_measure(mixture):
    """log p^r = log p + r - log Z at every point, for an indefinite quadratic."""
    d = mixture.means.shape[1]
    g = torch.Generator().manual_seed(2)
    a, Q = torch.randn(d, generator=g, dtype=F64), torch.randn(d, d, generator=g, dtype=F64)
    Q = 0.5 * Q / (torch.linalg.matrix_norm(Q, 2) * torch.linalg.eigvalsh(mixture.covariances).max())
    z, x1 = pairs_of(mixture)
    for linear, quadratic in ((a, None), (None, Q), (a, Q), (a, -Q)):
        reward = x1 @ (0 * a if linear is None else linear)
        if quadratic is not None:
            reward = reward - torch.einsum("bi,ij,bj->b", x1, quadratic, x1) / 2
        tilted, log_z = mixture.tilt(linear, quadratic), mixture.log_normaliser(linear, quadratic)
        close(tilted.log_prob(x1), mixture.log_prob(x1) + reward - log_z, rtol=1e-9, atol=1e-9)
        close(joint(tilted).log_prob(z), joint(mixture).log_prob(z) + reward - log_z, rtol=1e-9, atol=1e-9)


def test_posterior_and_tilt_against_importance_sampling(reference):
    """Weighted prior draws give the new means and log-normalisers, within 5 standard errors."""
    n = 200_000
    x = reference.sample(n, generator=torch.Generator().manual_seed(0))
    y, a, Q = torch.tensor([0.5, 1.0, 0.2], dtype=F64), torch.tensor([0.6, -0.4], dtype=F64), 0.5 * A2.mT @ A2
    cases = (
        (normal_log_prob(y, x @ A2.mT, 0.8), reference.posterior(A2, y, 0.8), reference.log_evidence(A2, y, 0.8)),
        (x @ a - ((x @ Q) * x).sum(1) / 2, reference.tilt(a, Q), reference.log_normaliser(a, Q)),
    )
    for log_weight, law, log_z in cases:
        w = log_weight.exp()
        assert abs(float(w.mean() / log_z.exp()) - 1) <= 5 * float(w.std() / w.mean()) / math.sqrt(n)
        mean = law.weights @ law.means
        residual = w[:, None] * (x - mean)
        assert bool((residual.mean(0).abs() <= 5 * residual.std(0) / math.sqrt(n)).all())


@pytest.mark.parametrize("schedule", [CondOT(), Cosine()])
def test_guided_velocity(reference, schedule, points):
    """v_tilt = v + (sigma W / alpha) grad log h with h(x, t) = E[exp r(x1) | x_t = x] = Z p_tilt / p."""
    a, Q = torch.tensor([0.6, -0.4], dtype=F64), torch.tensor([[0.5, 0.2], [0.2, -0.3]], dtype=F64)
    path = Affine(schedule)
    exact, tilted, log_z = reference.along(path), reference.tilt(a, Q).along(path), reference.log_normaliser(a, Q)
    x, t = points(exact)
    leaf = x.clone().requires_grad_()
    log_h = log_z + tilted.log_prob(leaf, t) - exact.log_prob(leaf, t)
    (slope,) = torch.autograd.grad(log_h.sum(), leaf)
    c = path.coeffs(t)
    guided = exact(x, t) + align(c.sigma * c.wronskian / c.alpha, x) * slope
    close(tilted(x, t), guided, rtol=1e-9, atol=1e-9)
    n = 40_000  # the conditional mean of exp r itself, from posterior draws at one point
    here = [x[:1].expand(n, 2), t[:1].expand(n)]
    x1 = exact.sample_posterior(*here, generator=torch.Generator().manual_seed(0))
    w = (x1 @ a - ((x1 @ Q) * x1).sum(1) / 2).exp()
    assert abs(float(w.mean() - log_h[0].detach().exp())) <= 5 * float(w.std()) / math.sqrt(n)


def test_posterior_leaves_an_independent_source(reference):
    A, y, std = measurement(reference)
    posterior = reference.posterior(A, y, std)
    assert torch.equal(posterior.source_means, reference.source_means)
    assert torch.equal(posterior.source_covariances, reference.source_covariances)
    assert not posterior.cross.any()


def test_evidence_is_differentiable(reference):
    A, y, std = measurement(reference)
    assert torch.autograd.gradcheck(
        lambda A, y: reference.log_evidence(A, y, std), (A.requires_grad_(), y.requires_grad_())
    )


def test_weights_beyond_underflow_survive():
    """exp(-2000) is 0, its logarithm is not: far out, the light component is the one that counts."""
    pushed = GaussianMixture([[0.0], [1.0]], [1.0, 1.0]).tilt([-2000.0])
    assert float(pushed.weights[1]) == 0.0
    close(pushed.log_weights[1], torch.tensor(-2000.0, dtype=F64), rtol=1e-12, atol=0)


def test_ways_to_write_covariances_and_numbers():
    full = GaussianMixture([[0.0, 1.0]], [[[0.5, 0.0], [0.0, 0.5]]], source_covariances=[[[2.0, 0.0], [0.0, 3.0]]])
    short = GaussianMixture(np.array([[0, 1]]), [0.5], [1.0], source_covariances=[[2.0, 3.0]])
    for name, value in full.state_dict().items():
        assert torch.equal(value, short.state_dict()[name]), name
        assert value.dtype == F64
    assert GaussianMixture(torch.zeros(2, 3), [1.0, 2.0]).covariances.dtype == torch.float32
    assert GaussianMixture(np.zeros((2, 3), np.float32), [1.0, 2.0]).weights.dtype == torch.float32
    assert full.to(torch.float32).cross.dtype == torch.float32
    assert not list(full.parameters())


def test_the_mixture_owns_its_numbers():
    means = torch.zeros(1, 2)
    mixture = GaussianMixture(means, [1.0])
    means += 1
    assert not mixture.means.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"means": [0.0, 1.0]}, r"means has shape \[2\], expected \[K, d\]"),
        ({"means": [[0.0], [1.0, 2.0]]}, "means is not a rectangular array of numbers"),
        ({"means": [[0.0, "a"]]}, "means is not a rectangular array of numbers"),
        ({"means": [[0.0, math.nan]]}, "means has NaN or infinite entries"),
        ({"covariances": [[1.0, 1.0, 1.0]]}, r"covariances has shape \[1, 3\], expected \[1, 2, 2\]"),
        ({"covariances": [[[1.0, 0.5], [0.0, 1.0]]]}, "covariances is not symmetric"),
        ({"covariances": [[[1.0, 2.0], [2.0, 1.0]]]}, r"covariances\[0\] is not positive definite"),
        ({"source_covariances": [0.0]}, r"source_covariances\[0\] is not positive definite"),
        ({"weights": [0.5, 0.5]}, r"weights has shape \[2\], expected \[1\]"),
        ({"weights": [0.9]}, r"weights are \[0.9\] and sum to 0.9"),
        ({"source_means": [0.0, 0.0]}, r"source_means has shape \[2\], expected \[1, 2\]"),
        ({"cross": [[0.1, 0.1]]}, r"cross has shape \[1, 2\], expected \[1, 2, 2\]"),
        ({"cross": [[[2.0, 0.0], [0.0, 0.0]]]}, r"cross\[0\] is too large"),
    ],
)
def test_refused_at_construction(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        GaussianMixture(**({"means": [[0.0, 0.0]], "covariances": [EYE]} | arguments))


def test_negative_weights_are_refused():
    with pytest.raises(InvalidInput, match="expected probabilities"):
        GaussianMixture([[0.0], [1.0]], [1.0, 1.0], [-0.5, 1.5])


def test_refused_measurements_and_tilts(reference):
    with pytest.raises(InvalidInput, match=r"A has shape \[1, 3\], expected \[m, 2\]"):
        reference.posterior([[1.0, 0.0, 0.0]], [0.0], 0.1)
    with pytest.raises(InvalidInput, match=r"y has shape \[2\], expected \[1\]"):
        reference.posterior([[1.0, 0.0]], [0.0, 0.0], 0.1)
    with pytest.raises(InvalidInput, match=r"noise_std is 0\.0, expected > 0"):
        reference.posterior([[1.0, 0.0]], [0.0], 0.0)
    with pytest.raises(InvalidInput, match=r"linear has shape \[3\], expected \[2\]"):
        reference.tilt([1.0, 0.0, 0.0])
    with pytest.raises(InvalidInput, match=r"quadratic has shape \[2\], expected \[2, 2\]"):
        reference.tilt(None, [1.0, 1.0])
    with pytest.raises(InvalidInput, match=r"component \[1\]"):  # 1/S is 4 on the round one, 1.6 and 5.7 on the other
        GaussianMixture([[0.0], [0.0]], [0.2, 1.0]).tilt(None, [[-1.5]])
