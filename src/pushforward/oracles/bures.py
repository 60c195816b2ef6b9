"""Optimal and entropic couplings of two Gaussians."""

from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.core import require
from pushforward.oracles.algebra import Values, spectral, symmetric, to_tensor

__all__ = ["GaussianTransport", "entropic_cross", "gaussian_ot"]


class GaussianTransport(NamedTuple):
    """The optimal map x1 = mean1 + matrix (x0 - mean0), and the squared 2-Wasserstein distance."""

    matrix: Tensor
    squared_distance: Tensor


def _roots(cov0: Tensor) -> tuple[Tensor, Tensor]:
    """S0^{1/2} and S0^{-1/2}."""
    require(
        not bool(torch.linalg.cholesky_ex(cov0).info.any()),
        "cov0 is not positive definite, so its inverse root does not exist; give a covariance of full rank",
    )
    return spectral(cov0, torch.sqrt), spectral(cov0, torch.rsqrt)


def gaussian_ot(mean0: Values, cov0: Values, mean1: Values, cov1: Values) -> GaussianTransport:
    r"""Optimal transport between two Gaussians for the squared distance.

    .. math:: T = S_0^{-1/2} \big(S_0^{1/2} S_1 S_0^{1/2}\big)^{1/2} S_0^{-1/2}, \qquad T S_0 T = S_1, \qquad
              W_2^2 = |\mu_1 - \mu_0|^2 + \mathrm{tr}\big(S_0 + S_1 - 2\,(S_0^{1/2} S_1 S_0^{1/2})^{1/2}\big)

    The coupling has Cov(x0, x1) = S0 T: `GaussianMixture(..., cross=(cov0 @ T)[None])`.

    Source: Takatsu, Wasserstein geometry of Gaussian measures (Osaka J. Math. 2011); Peyre & Cuturi, Computational
        Optimal Transport, https://arxiv.org/abs/1803.00567.

    Args:
        mean0: Source mean `[..., d]`; its dtype and device are the answer's (numbers: float64).
        cov0: Source covariance `[..., d, d]`, positive definite.
        mean1: Target mean `[..., d]`.
        cov1: Target covariance `[..., d, d]`, positive semi-definite.

    Returns: the matrix T `[..., d, d]`, symmetric, and W2^2 `[...]` in squared data units.
    Raises: `InvalidInput` when `cov0` is singular.

    Example:
        >>> gaussian_ot([0.0], [[1.0]], [3.0], [[4.0]])
        GaussianTransport(matrix=tensor([[2.]], dtype=torch.float64), squared_distance=tensor(10., dtype=torch.float64))
    """
    m0 = to_tensor("mean0", mean0)
    S0, m1, S1 = to_tensor("cov0", cov0, m0), to_tensor("mean1", mean1, m0), to_tensor("cov1", cov1, m0)
    root, inverse = _roots(S0)
    T = symmetric(inverse @ spectral(symmetric(root @ S1 @ root), torch.sqrt) @ inverse)
    # E|T x - x|^2 = tr (T - I) S0 (T - I) is the trace above without its cancellation between near Gaussians
    move = T - torch.eye(S0.shape[-1]).to(S0)
    spread = (move @ S0 @ move).diagonal(dim1=-2, dim2=-1).sum(-1)
    return GaussianTransport(T, (m1 - m0).square().sum(-1) + spread)


def entropic_cross(cov0: Values, cov1: Values, volatility: float) -> Tensor:
    r"""Cov(x0, x1) of the entropic coupling of two Gaussians: the ends of the Schroedinger bridge.

    .. math:: G = \tfrac12 \Big[ S_0^{1/2} \big(4\, S_0^{1/2} S_1 S_0^{1/2} + \varsigma^4 I\big)^{1/2} S_0^{-1/2}
              - \varsigma^2 I \Big]

    The reference is Brownian motion of volatility :math:`\varsigma`, whose kernel is
    :math:`\exp(-|x_0 - x_1|^2 / 2\varsigma^2)`: Sinkhorn with the cost :math:`|x_0 - x_1|^2` and
    :math:`\epsilon = 2\varsigma^2`. Small volatility gives optimal transport (S0 T), large gives independence (0).
    With `CondOT` and the latent `Brownian(volatility)`, the mixture's velocity v and score s make up the bridge: its
    drift is :math:`v + \tfrac12 \varsigma^2 s`, its diffusion :math:`\varsigma`.

    Source: Janati, Muzellec, Peyre & Cuturi, Entropic Optimal Transport between Unbalanced Gaussian Measures has a
        Closed Form (NeurIPS 2020), https://arxiv.org/abs/2006.02572; the bridge: Bunne et al., The Schroedinger Bridge
        between Gaussian Measures has a Closed Form, https://arxiv.org/abs/2202.05722.

    Args:
        cov0: Source covariance `[..., d, d]`, positive definite; its dtype and device are the answer's.
        cov1: Target covariance `[..., d, d]`, positive semi-definite.
        volatility: Of the reference, in data units per square root of time, >= 0.

    Returns: G `[..., d, d]`, rows x0 and columns x1; not symmetric in general.
    Raises: `InvalidInput` when `cov0` is singular or the volatility negative.

    Example:
        >>> entropic_cross([[1.0]], [[1.0]], 1.0)                          # (sqrt 5 - 1) / 2
        tensor([[0.6180]], dtype=torch.float64)
    """
    require(volatility >= 0, f"volatility is {volatility}, expected >= 0; 0 gives optimal transport")
    S0 = to_tensor("cov0", cov0)
    S1 = to_tensor("cov1", cov1, S0)
    root, inverse = _roots(S0)
    square = volatility**2
    # (sqrt(4m + s^4) - s^2) / 2, written so that a large volatility does not cancel; tiny guards 0/0
    shrunk = lambda m: 2 * m / ((4 * m + square**2).sqrt() + square).clamp_min(torch.finfo(m.dtype).tiny)
    return root @ spectral(symmetric(root @ S1 @ root), shrunk) @ inverse
