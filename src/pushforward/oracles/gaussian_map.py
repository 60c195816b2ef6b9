"""The flow map of one Gaussian: the matrix that carries offsets from the mean through time."""

import math
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

    If S, S0 and G are symmetric and commute (always for S0 = I, G = 0), :math:`A = C_t^{1/2} C_s^{-1/2}`. Otherwise RK4
    in p, with time :math:`s + (t - s) \sin^2(\pi p / 2)`: in it square roots of t and 1 - t are smooth. The curve
    (alpha, sigma, gamma^2) is replaced by a parabola through both ends and the middle of every step, which leaves the
    order and needs no derivative of the path, infinite where a schedule ends like a square root. The error is
    O(STEPS^-4), whatever the schedule: about 1e-9 for covariances of order one.
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
    def curve(part: float) -> Tensor:
        """alpha, sigma, gamma^2 and gamma, `[4, B, 1, 1, 1]`."""
        time = torch.lerp(s, t, math.sin(math.pi / 2 * part) ** 2)
        c = path.coeffs(time)
        gamma = torch.zeros_like(time) if path.latent is None else path.latent(time)[0]
        return torch.stack([c.alpha, c.sigma, gamma.square(), gamma])[..., None, None, None]

    def rate(at: Tensor, slope: Tensor) -> Tensor:
        moments = Moments(mixture, at[0], at[1], slope[0], slope[1], at[3], slope[2] / 2)
        return torch.linalg.solve(moments.covariance[:, 0], moments.lag[:, 0].mT).mT  # K C^-1, as C is symmetric

    A = torch.eye(mixture.means.shape[1], dtype=s.dtype, device=s.device)
    here = curve(0.0)
    for i in range(STEPS):
        middle, there = curve((i + 0.5) / STEPS), curve((i + 1) / STEPS)
        first = rate(here, 4 * middle - 3 * here - there)
        half = rate(middle, there - here)
        last = rate(there, here - 4 * middle + 3 * there)
        k1 = first @ A
        k2 = half @ (A + k1 / 2)
        k3 = half @ (A + k2 / 2)
        k4 = last @ (A + k3)
        A, here = A + (k1 + 2 * k2 + 2 * k3 + k4) / 6, there
    return A
