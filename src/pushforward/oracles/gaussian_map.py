"""The flow map of one Gaussian: the matrix that carries offsets from the mean through time."""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.oracles.moments import Moments

if TYPE_CHECKING:
    from pushforward.oracles.gaussian_mixture import GaussianMixture

__all__ = ["common_axes", "transition"]

STEPS = 400  # of RK4, where there is no closed form


def common_axes(mixture: "GaussianMixture") -> Tensor | None:
    """Common eigenvectors `[d, d]` of S, S0 and G, on which every C_t is diagonal; None if they share none."""
    blocks = torch.cat([mixture.covariances, mixture.source_covariances, mixture.cross]).detach()
    # a combination with unrelated coefficients tells apart whatever axes the blocks tell apart
    mixed = blocks[0] + 2.0**0.5 * blocks[1] + 3.0**0.5 * blocks[2]
    V = torch.linalg.eigh((mixed + mixed.mT) / 2).eigenvectors
    turned = V.mT @ blocks @ V
    rest = turned - torch.diag_embed(turned.diagonal(dim1=-2, dim2=-1))
    slack = 10 * len(V) * torch.finfo(blocks.dtype).eps * blocks.abs().amax()
    return V if bool(rest.abs().amax() <= slack) else None


def transition(
    mixture: "GaussianMixture", path: Any, s: Float[Tensor, " b"], t: Float[Tensor, " b"]
) -> Float[Tensor, "b d d"]:
    r"""Derivative A of the flow map from s to t, for a mixture of one component.

    .. math:: \partial_t A_{s,t} = K_t C_t^{-1} A_{s,t}, \qquad A_{s,s} = I, \qquad A_{s,t} C_s A_{s,t}^\top = C_t

    If S, S0 and G are symmetric and commute (always for S0 = I, G = 0), :math:`A = C_t^{1/2} C_s^{-1/2}`; that needs no
    derivative of the path. Otherwise RK4, whose error is O(STEPS^-4): about 1e-10 for covariances of order one.
    """
    axes = common_axes(mixture)
    if axes is None:
        return _integrate(mixture, path, s, t)
    here, there = (
        (axes * (Moments.at(mixture, path, time).covariance[:, 0] @ axes)).sum(-2)  # diagonal of V^T C V
        for time in (s, t)
    )
    return (axes * (there / here).sqrt()[:, None, :]) @ axes.mT


def _integrate(mixture: "GaussianMixture", path: Any, s: Tensor, t: Tensor) -> Tensor:
    def rate(part: float) -> Tensor:
        moments = Moments.at(mixture, path, torch.lerp(s, t, part))
        return torch.linalg.solve(moments.covariance[:, 0], moments.lag[:, 0].mT).mT  # K C^-1, as C is symmetric

    h = ((t - s) / STEPS)[:, None, None]
    A = torch.eye(mixture.means.shape[1], dtype=h.dtype, device=h.device)
    here = rate(0.0)
    for i in range(STEPS):
        middle, there = rate((i + 0.5) / STEPS), rate((i + 1) / STEPS)
        k1 = here @ A
        k2 = middle @ (A + h / 2 * k1)
        k3 = middle @ (A + h / 2 * k2)
        k4 = there @ (A + h * k3)
        A, here = A + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), there
    return A
