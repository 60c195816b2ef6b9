"""Mixtures by EM and kernels on tori: mass, ascent, what is known of a single component, and recovery."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from pushforward.bench.von_mises import VonMisesKernels, VonMisesMixture
from pushforward.core import InvalidInput

F64 = torch.float64


def law_of(seed=0, n=2):
    """Three far components of 4,000 draws in all, and their directions and concentrations."""
    rng = np.random.default_rng(seed)
    means, concentrations = (
        np.array([0.5, 2.5, 4.6])[:, None].repeat(n, 1),
        np.array([[40.0] * n, [8.0] * n, [90.0] * n]),
    )
    which = rng.choice(3, 4000, p=[0.5, 0.3, 0.2])
    x = torch.tensor(rng.vonmises(means[which], concentrations[which]) % (2 * math.pi))
    return x, torch.tensor(means), torch.tensor(concentrations)


def test_the_likelihood_never_falls():
    x = law_of(n=3)[0]
    _, history = VonMisesMixture.fit(x, 20, steps=60, generator=torch.Generator().manual_seed(0))
    steps = np.diff(history)
    assert steps.min() > -1e-10  # rounding
    assert history[-1] > history[0] + 1


def test_one_component_is_the_maximum_likelihood_of_scipy():
    x = law_of()[0][:, :1]
    found, _ = VonMisesMixture.fit(x, 1, steps=2)
    concentration, direction, _ = stats.vonmises.fit(x[:, 0].numpy(), fscale=1)
    np.testing.assert_allclose(found.concentrations.item(), concentration, rtol=1e-6)
    np.testing.assert_allclose(found.means.item() % (2 * math.pi), direction % (2 * math.pi), atol=1e-8)
    exact = stats.vonmises.logpdf(x[:, 0].numpy(), concentration, direction)
    np.testing.assert_allclose(found.log_prob(x), exact, atol=1e-6)


def test_components_that_are_far_apart_are_found():
    """Every parameter within 5 standard errors, of at least 800 draws: 1 / sqrt(k N) for mu, k sqrt(2 / N) for k."""
    x, means, concentrations = law_of()
    fits = [VonMisesMixture.fit(x, 3, steps=50, generator=torch.Generator().manual_seed(seed)) for seed in range(8)]
    found = max(fits, key=lambda fit: fit[1][-1])[0]
    order = (found.means[:, 0] % (2 * math.pi)).argsort()
    for wanted, mu, k in zip(means, found.means[order], found.concentrations[order], strict=True):
        assert ((mu - wanted + math.pi) % (2 * math.pi) - math.pi).abs().max() < 5 / (8 * 750) ** 0.5
        assert k.isfinite().all()
    error = found.concentrations[order] / concentrations - 1
    assert error.abs().max() < 5 * (2 / 750) ** 0.5
    assert (found.weights[order] - torch.tensor([0.5, 0.3, 0.2], dtype=F64)).abs().max() < 5 * 0.5 / 4000**0.5


def test_densities_have_mass_one():
    """Equally spaced sums are exact for densities as smooth as these: 200 to a turn, widths above 0.1."""
    x, _, _ = law_of()
    line = torch.arange(200, dtype=F64) * (2 * math.pi / 200)
    grid = torch.cartesian_prod(line, line)
    mixture, _ = VonMisesMixture.fit(x, 4, steps=20, generator=torch.Generator().manual_seed(1))
    for density in (mixture, VonMisesKernels(x[:300], 60.0)):
        assert abs(float(density.log_prob(grid).exp().sum()) * (2 * math.pi / 200) ** 2 - 1) < 1e-9


def test_kernels_are_a_mixture_with_a_component_on_every_point():
    x, _, _ = law_of()
    points, rows = x[:50], x[50:1500]
    same = VonMisesMixture(torch.full((50,), 1 / 50, dtype=F64), points, torch.full((50, 2), 30.0, dtype=F64))
    torch.testing.assert_close(VonMisesKernels(points, 30.0).log_prob(rows), same.log_prob(rows))


def test_the_width_of_kernels_is_chosen_between_too_wide_and_too_narrow():
    x, _, _ = law_of()
    assert VonMisesKernels.choose(x[:1000], x[1000:], (0.1, 200.0, 1e6)).concentration == 200.0


def test_more_components_than_rows_are_refused():
    with pytest.raises(InvalidInput, match="5 components want as many rows, got 4"):
        VonMisesMixture.fit(torch.zeros(4, 2), 5)
