"""Laws of every latent: the product is gamma times its derivative, and both are finite at the ends."""

import pytest
import torch

from pushforward.core import jvp
from pushforward.paths import Brownian, Constant, SineSquared
from pushforward.paths.latents import Latent

LATENTS = [Brownian(), Brownian(0.3), Constant(0.2), SineSquared(), SineSquared(1.7)]
each = pytest.mark.parametrize("latent", LATENTS, ids=repr)


@each
def test_product_is_half_the_derivative_of_the_square(latent):
    """At the ends, too, where gamma' alone may diverge."""
    assert isinstance(latent, Latent)
    t = torch.linspace(0.0, 1.0, 129, dtype=torch.float64)[1:-1]
    _, slope = jvp(lambda t: latent(t)[0].square() / 2, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(latent(t)[1], slope, rtol=1e-10, atol=1e-12)
    ends, h = torch.tensor([0.0, 1.0], dtype=torch.float64), 1e-7
    inside = torch.tensor([h, -h], dtype=torch.float64)
    secant = (latent(ends + inside)[0].square() - latent(ends)[0].square()) / (2 * inside)
    torch.testing.assert_close(latent(ends)[1], secant, rtol=0, atol=10 * h)  # first order in h


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_latents_are_finite_at_the_ends_and_bridges_vanish_there(latent, dtype):
    gamma, product = latent(torch.tensor([0.0, 1.0], dtype=dtype))
    assert gamma.isfinite().all()
    assert product.isfinite().all()
    assert gamma.dtype == product.dtype == dtype
    assert isinstance(latent, Constant) or (gamma == 0).all()


def test_the_level_of_a_brownian_bridge_is_that_of_its_diffusion():
    t = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    assert torch.equal(Brownian(3.0).level(t), torch.full_like(t, 4.5))
    # d/dt gamma^2 = 2 level (1 - 2t): at the start the bridge spreads like Brownian motion of this diffusion
    torch.testing.assert_close(2 * Brownian(3.0)(t)[1], 2 * Brownian(3.0).level(t) * (1 - 2 * t))


def test_widths_at_half_time():
    half = torch.tensor([0.5], dtype=torch.float64)
    torch.testing.assert_close(Brownian(3.0)(half)[0], torch.tensor([1.5], dtype=torch.float64))
    torch.testing.assert_close(SineSquared(3.0)(half)[0], torch.tensor([3.0], dtype=torch.float64))
