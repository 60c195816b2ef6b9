"""A quarter of a circle that leaves room for latent noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Coeffs, Incompatible, require, require_part
from pushforward.paths.latents import Latent
from pushforward.paths.schedules.cosine import Cosine

__all__ = ["Trigonometric"]


@dataclass(frozen=True)
class Trigonometric:
    r"""`Cosine`, shrunk so that ends and latent together keep the variance of standardised data.

    .. math:: \alpha_t = k_t \sin\tfrac{\pi t}{2}, \qquad \sigma_t = k_t \cos\tfrac{\pi t}{2}, \qquad
              k_t = \sqrt{1 - \gamma_t^2}, \qquad k' = -\gamma\gamma' / k

    so :math:`\alpha^2 + \sigma^2 + \gamma^2 = 1`. Only the product gamma gamma' enters, which is finite at the ends.
    Without a latent this is `Cosine`.

    Source: Albergo, Boffi & Vanden-Eijnden, Stochastic Interpolants (2023), https://arxiv.org/abs/2303.08797, the
        trigonometric interpolant (alpha multiplies x0 there).

    Args:
        latent: The path's own latent noise, `Affine(Trigonometric(latent), latent)`; gamma < 1 everywhere.

    Raises: `Incompatible` for a latent that cannot be called, or reaches 1: k would have a kink there.

    Example:
        >>> c = Trigonometric(pf.paths.Brownian())(torch.tensor([0.5]))
        >>> c.alpha ** 2 + c.sigma ** 2
        tensor([0.7500])
    """

    latent: Latent

    def __post_init__(self) -> None:
        require_part("Trigonometric.latent", self.latent, Latent, "times to gamma and gamma gamma', as Brownian()")
        widest = float(self.latent(torch.linspace(0, 1, 257, dtype=torch.float64))[0].max())
        require(
            widest < 1,
            f"Trigonometric leaves sqrt(1 - gamma^2) to the ends, but gamma reaches {widest:.4g}, expected < 1; "
            "give the latent a smaller scale",
            Incompatible,
        )

    def __call__(self, t: Tensor) -> Coeffs:
        """Coefficients at `t` in [0, 1]."""
        gamma, product = self.latent(t)
        keep = ((1.0 - gamma) * (1.0 + gamma)).sqrt()
        c, d_keep = Cosine()(t), -product / keep
        return Coeffs(
            keep * c.alpha,
            keep * c.sigma,
            keep * c.d_alpha + d_keep * c.alpha,
            keep * c.d_sigma + d_keep * c.sigma,
        )

    def time_at_snr(self, rho: Tensor) -> Tensor:
        """The time at which alpha / sigma is `rho` >= 0."""
        return Cosine().time_at_snr(rho)
