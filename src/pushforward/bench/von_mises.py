"""Classical densities on tori, for flows to be held against: a mixture by EM, and kernels at the data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, require

__all__ = ["VonMisesKernels", "VonMisesMixture"]

_SHARPEST = 5000.0  # largest concentration, a width of 0.8 degrees: a component on a single point stays finite
_ROWS = 512  # that are compared with all kernels at once


def _log_bessel(k: Tensor) -> Tensor:
    """log I_0(k), without overflow."""
    return torch.special.i0e(k).log() + k


def _concentration(r: Tensor) -> Tensor:
    """k with I_1(k) / I_0(k) = r in [0, 1), at most `_SHARPEST`, by bisection: every M step is a true maximum."""
    low, high = torch.zeros_like(r), torch.full_like(r, _SHARPEST)
    for _ in range(60):
        k = (low + high) / 2
        less = torch.special.i1e(k) / torch.special.i0e(k) < r
        low, high = torch.where(less, k, low), torch.where(less, high, k)
    return (low + high) / 2


def _waves(x: Tensor) -> Tensor:
    return torch.cat([x.cos(), x.sin()], -1)


@dataclass(frozen=True)
class VonMisesMixture:
    r"""Mixture of products of von Mises laws on the torus.

    .. math:: p(x) = \sum_k w_k \prod_j \frac{e^{\kappa_{kj} \cos(x_j - \mu_{kj})}}{2\pi I_0(\kappa_{kj})}

    `fit` is the EM algorithm (Dempster, Laird & Rubin, 1977): its M step has the weighted mean direction for mu and,
    for kappa, the root of I_1 / I_0 = length of the mean vector.

    Args:
        weights: `[K]`, of sum 1.
        means: mu `[K, n]` in radians.
        concentrations: kappa `[K, n]`.

    Example:
        >>> x = torch.rand(200, 2, dtype=torch.float64)
        >>> mixture, history = VonMisesMixture.fit(x, 3, steps=10)
        >>> len(history), mixture.log_prob(x).shape
        (10, torch.Size([200]))
    """

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k n"]
    concentrations: Float[Tensor, "k n"]

    def _joint(self, x: Tensor) -> Tensor:
        """log w_k p_k(x), `[N, K]`."""
        k = self.concentrations
        directions = torch.cat([k * self.means.cos(), k * self.means.sin()], -1)
        constant = self.weights.log() - (math.log(2 * math.pi) + _log_bessel(k)).sum(-1)
        return _waves(x) @ directions.T + constant

    def log_prob(self, x: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
        """In nats, against the volume of angles in radians."""
        return self._joint(x).logsumexp(-1)

    @classmethod
    def fit(
        cls, x: Float[Tensor, "b n"], components: int, *, steps: int = 200, generator: Gen = None
    ) -> tuple["VonMisesMixture", list[float]]:
        """EM from components of width 1 at random points, and the mean log-likelihood before every step."""
        require(len(x) >= components, f"{components} components want as many rows, got {len(x)}")
        chosen = torch.randperm(len(x), generator=generator)[:components]
        found = cls(x.new_full((components,), 1 / components), x[chosen], torch.ones_like(x[chosen]))
        waves, history = _waves(x), []
        for _ in range(steps):
            joint = found._joint(x)
            rows = joint.logsumexp(-1, keepdim=True)
            history.append(rows.mean())
            share = (joint - rows).exp()
            mass = share.sum(0)
            cos, sin = (share.T @ waves / mass.clamp_min(1e-30)[:, None]).chunk(2, -1)
            found = cls(mass / len(x), torch.atan2(sin, cos), _concentration(torch.hypot(cos, sin)))
        return found, torch.stack(history).tolist() if history else []


@dataclass(frozen=True)
class VonMisesKernels:
    r"""Kernel density on the torus: a product of von Mises laws of one concentration at every point.

    Args:
        points: `[N, n]` in radians.
        concentration: kappa > 0.

    Example:
        >>> VonMisesKernels(torch.zeros(1, 1), 2.0).log_prob(torch.zeros(1, 1))
        tensor([-0.6619])
    """

    points: Float[Tensor, "k n"]
    concentration: float

    def log_prob(self, x: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
        """In nats, against the volume of angles in radians."""
        k = x.new_tensor(self.concentration)
        waves = _waves(self.points).T
        rows = torch.cat([(k * _waves(part) @ waves).logsumexp(-1) for part in x.split(_ROWS)])
        return rows - math.log(len(self.points)) - x.shape[1] * (math.log(2 * math.pi) + _log_bessel(k))

    @classmethod
    def choose(
        cls, points: Float[Tensor, "k n"], validation: Float[Tensor, "b n"], concentrations: Sequence[float]
    ) -> "VonMisesKernels":
        """The concentration under which the validation rows are likeliest."""
        return max((cls(points, k) for k in concentrations), key=lambda found: float(found.log_prob(validation).mean()))
