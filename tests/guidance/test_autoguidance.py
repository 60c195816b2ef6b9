import pytest
import torch

from pushforward.core import null_condition
from pushforward.guidance import Autoguidance, ClassifierFree


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("delta", [0.0, 0.5])
def test_a_blurred_gaussian_sharpens_the_good_one(gaussians, stretched, scale, delta):
    """Variance S^w (S + delta)^(1-w), control.md C4: below S for w > 1, S itself for delta = 0."""
    s = 0.8
    variance = stretched(Autoguidance(gaussians(variance=(s, s)), gaussians(variance=(s + delta,) * 2), scale))
    assert variance == pytest.approx(s**scale * (s + delta) ** (1 - scale), abs=1e-6)


def test_the_neutral_scale_spares_the_bad_model(gaussians):
    good, bad = gaussians(), gaussians()
    x, t, cond = torch.ones(4, 1), torch.zeros(4), torch.zeros(4, dtype=torch.int64)
    Autoguidance(good, bad, 1.0)(x, t, cond)
    assert (good.rows, bad.rows) == ([4], [])
    Autoguidance(good, bad, 2.0)(x, t, cond)
    assert (good.rows, bad.rows) == ([4, 4], [4])


def test_an_unconditional_bad_model_is_classifier_free_guidance(gaussians):
    field = gaussians(mean=(0.0, 1.5), variance=(4.0, 1.0))
    x, t, cond = torch.randn(5, 1), torch.rand(5), torch.zeros(5, dtype=torch.int64)
    auto = Autoguidance(field, lambda x, t, cond: field(x, t, null_condition(cond)), 3.0)
    assert torch.equal(auto(x, t, cond), ClassifierFree(field, 3.0)(x, t, cond))


def test_needs_no_condition():
    v = Autoguidance(lambda x, t, cond: 2 * x, lambda x, t, cond: x, 3.0)(torch.ones(2, 1), torch.zeros(2))
    assert torch.equal(v, torch.full((2, 1), 4.0))


def test_mass_moves_to_the_mode_where_the_good_model_has_more():
    """Two narrow modes of weights 0.7 and 0.3 against the same with 0.5 and 0.5: the heavy one must gain."""

    def mixture(weight):
        w = torch.tensor([weight, 1 - weight], dtype=torch.float64)
        means, s = torch.tensor([-1.5, 1.5], dtype=torch.float64), 0.1

        def field(x, t, cond):
            tau = t[:, None]
            c = tau**2 * s + (1 - tau) ** 2
            rho = torch.softmax(w.log() - (x - tau * means) ** 2 / (2 * c), 1)
            return (rho * (means + (tau * s - (1 - tau)) / c * (x - tau * means))).sum(1, keepdim=True)

        return field

    def share(field):
        n = 2001  # quantiles of the source: the share of the left mode is read off to 1/n
        x = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]
        for k in range(200):
            x = x + field(x, torch.full((n,), k / 200, dtype=torch.float64), None) / 200
        return (x < 0).double().mean().item()

    good, bad = mixture(0.7), mixture(0.5)
    assert share(good) == pytest.approx(0.7, abs=0.02)
    assert share(Autoguidance(good, bad, 2.0)) > share(good) + 0.05
