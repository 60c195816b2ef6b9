"""Two particles with any energy of their distance."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, rand, randn, require

__all__ = ["ParticlePair"]

_PANELS, _NODES = 400, 12  # of the quadrature


@dataclass(frozen=True)
class ParticlePair:
    r"""The Boltzmann law of two particles in R^d whose centre is at the origin.

    .. math:: p(x) = \frac{e^{-E(r)}}{Z}, \quad r = |x_1 - x_2|, \qquad
              p(r) = \frac{r^{d-1} e^{-E(r)}}{I}, \quad I = \int_0^\infty r^{d-1} e^{-E(r)}\, dr, \qquad
              Z = 2^{-d/2} |S^{d-1}|\, I

    against the volume of `spaces.Centred`, whose one coordinate (x_1 - x_2) / sqrt 2 has the length r / sqrt 2 (this is
    the factor 2^(-d/2)). Its entropy is log Z + E[E(r)]. Integrals by Gauss-Legendre on panels, draws by inverting the
    distribution function of r. For E = r^2 / 4 it is the noise of `spaces.Centred`.

    Args:
        energy: E(r), `[n]` to `[n]`, in units of kT; smooth.
        dimension: d >= 1.
        longest: Distance past which nothing happens, > 0.

    Shapes: rows `[n, 2, d]`; log-densities `[n]` in nats.
    Raises: `InvalidInput` for a dimension or distance out of range, and for an energy that leaves more than 1e-9 of the
        law past `longest`, or is not finite.

    Example:
        >>> pair = ParticlePair(lambda r: r**2 / 4, dimension=2)
        >>> round(pair.entropy(), 4), round(1 + math.log(2 * math.pi), 4)
        (2.8379, 2.8379)
    """

    energy: Callable[[Tensor], Tensor]
    dimension: int = 2
    longest: float = 20.0

    def __post_init__(self) -> None:
        require(self.dimension >= 1, f"dimension is {self.dimension}, expected at least 1")
        require(0 < self.longest < math.inf, f"longest is {self.longest}, expected a positive distance")
        r, weights, logs = self._quadrature
        require(bool(torch.isfinite(logs).all()), "the energy is not finite at some distances; cut it off there")
        mass = weights * (logs - logs.max()).exp()
        late = float(mass[r > 0.98 * self.longest].sum() / mass.sum())
        require(
            late < 1e-9,
            f"{late:.2g} of the law is near or past longest={self.longest:g}; take a greater one, or an energy that "
            "binds the particles",
        )

    @cached_property
    def _quadrature(self) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes, weights, and log r^(d-1) e^-E there."""
        nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(_NODES))
        width = self.longest / _PANELS
        r = (width * (torch.arange(_PANELS)[:, None] + (nodes + 1) / 2)).flatten()
        return r, (weights * width / 2).repeat(_PANELS), (self.dimension - 1) * r.log() - self.energy(r)

    @cached_property
    def _log_integral(self) -> float:
        _, weights, logs = self._quadrature
        return float((logs + weights.log()).logsumexp(0))

    @cached_property
    def log_volume(self) -> float:
        """log Z."""
        d = self.dimension
        return self._log_integral + math.log(2) + d / 2 * math.log(math.pi / 2) - math.lgamma(d / 2)

    def entropy(self) -> float:
        """In nats, against the volume of the centred space."""
        r, weights, logs = self._quadrature
        share = weights * (logs - self._log_integral).exp()
        return self.log_volume + float((share * self.energy(r)).sum())

    def log_prob(self, x: Float[Tensor, "n two d"]) -> Float[Tensor, " n"]:
        """Log-density of centred pairs."""
        return -self.energy((x[:, 0] - x[:, 1]).norm(dim=1)) - self.log_volume

    def distance_density(self, r: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """p(r)."""
        return ((self.dimension - 1) * r.log() - self.energy(r) - self._log_integral).exp()

    def distances(self, n: int, *, generator: Gen = None) -> Float[Tensor, " n"]:
        """`n` independent distances, in the default dtype."""
        _, weights, logs = self._quadrature
        rise = (weights * (logs - self._log_integral).exp()).view(_PANELS, _NODES).sum(1).cumsum(0)
        ends = torch.cat([torch.zeros(1, dtype=torch.float64), rise / rise[-1]])
        q = rand((n,), ends, generator=generator)
        panel = torch.searchsorted(ends, q, right=True).clamp(1, _PANELS) - 1
        # within a panel, where the density is nearly straight: the root of a quadratic through the density at its ends
        low, width = panel * (self.longest / _PANELS), self.longest / _PANELS
        edges = torch.linspace(0, self.longest, _PANELS + 1, dtype=torch.float64).clamp_min(1e-12)
        height = self.distance_density(edges)
        a, b = height[panel], height[panel + 1]
        total = ((a + b) / 2).clamp_min(torch.finfo(a.dtype).tiny)
        share = ((q - ends[panel]) / (ends[panel + 1] - ends[panel]).clamp_min(1e-300)).clamp(0, 1) * total
        part = 2 * share / (a + (a.square() + 2 * (b - a) * share).clamp_min(0).sqrt()).clamp_min(1e-300)
        return (low + width * part.clamp(0, 1)).to(torch.get_default_dtype())

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2 d"]:
        """`n` independent pairs, in the default dtype."""
        r = self.distances(n, generator=generator)
        way = torch.nn.functional.normalize(randn((n, self.dimension), r, generator=generator), dim=1)
        half = r[:, None] / 2 * way
        return torch.stack([half, -half], 1)
