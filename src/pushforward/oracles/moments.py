"""First and second moments of an affine path between the ends of a Gaussian mixture, component by component."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from pushforward.oracles.gaussian_mixture import GaussianMixture

__all__ = ["Moments"]


@dataclass(frozen=True)
class Moments:
    r"""Moments of x_t = alpha x1 + sigma x0 + gamma z and of its motion dx_t, in every component k.

    .. math::
        m &= \alpha\mu + \sigma m^0, \qquad m' = \alpha'\mu + \sigma' m^0 \\
        C &= \mathrm{Cov}(x_t) = \alpha^2 S + \sigma^2 S^0 + \alpha\sigma\,(G + G^\top) + \gamma^2 I \\
        K &= \mathrm{Cov}(\dot x_t, x_t) = \alpha\alpha' S + \sigma\sigma' S^0 + \alpha'\sigma\, G^\top
             + \alpha\sigma'\, G + \gamma\gamma' I

    so that :math:`K + K^\top = C'`; K itself is symmetric only if G is.

    Args:
        mixture: The joint law of the ends.
        alpha, sigma, d_alpha, d_sigma, gamma: The path at times `[B]`, each `[B, 1, 1, 1]`.
        push: gamma gamma', finite where gamma' alone is not.
    """

    mixture: "GaussianMixture"
    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor
    gamma: Tensor
    push: Tensor

    @classmethod
    def at(cls, mixture: "GaussianMixture", path: Any, t: Float[Tensor, " b"]) -> "Moments":
        """Moments on `path` at times `t`."""
        latent = (torch.zeros_like(t), torch.zeros_like(t)) if path.latent is None else path.latent(t)
        return cls(mixture, *(c[:, None, None, None] for c in (*path.coeffs(t), *latent)))

    @property
    def mean(self) -> Float[Tensor, "b k d"]:
        """m."""
        return self.alpha[..., 0] * self.mixture.means + self.sigma[..., 0] * self.mixture.source_means

    @property
    def d_mean(self) -> Float[Tensor, "b k d"]:
        """m', the mean of the motion."""
        return self.d_alpha[..., 0] * self.mixture.means + self.d_sigma[..., 0] * self.mixture.source_means

    @property
    def covariance(self) -> Float[Tensor, "b k d d"]:
        """C."""
        S, S0, G, eye = self._blocks
        return self.alpha**2 * S + self.sigma**2 * S0 + self.alpha * self.sigma * (G + G.mT) + self.gamma**2 * eye

    @property
    def lag(self) -> Float[Tensor, "b k d d"]:
        """K."""
        S, S0, G, eye = self._blocks
        same = self.alpha * self.d_alpha * S + self.sigma * self.d_sigma * S0 + self.push * eye
        return same + self.d_alpha * self.sigma * G.mT + self.alpha * self.d_sigma * G

    @property
    def motion(self) -> Float[Tensor, "b k d d"]:
        """Covariance of alpha' x1 + sigma' x0, the motion without its latent part."""
        S, S0, G, _ = self._blocks
        return self.d_alpha**2 * S + self.d_sigma**2 * S0 + self.d_alpha * self.d_sigma * (G + G.mT)

    @property
    def data(self) -> Float[Tensor, "b k d d"]:
        """Cov(x1, x_t)."""
        S, _, G, _ = self._blocks
        return self.alpha * S + self.sigma * G.mT

    @property
    def source(self) -> Float[Tensor, "b k d d"]:
        """Cov(x0, x_t)."""
        _, S0, G, _ = self._blocks
        return self.sigma * S0 + self.alpha * G

    @property
    def _blocks(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        m = self.mixture
        eye = torch.eye(m.means.shape[1], dtype=m.means.dtype, device=m.means.device)
        return m.covariances, m.source_covariances, m.cross, eye
