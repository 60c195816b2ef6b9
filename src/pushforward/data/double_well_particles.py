"""Particles that like two distances from each other."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, rand, randn, require

__all__ = ["DoubleWellParticles"]

# moves of the chains: how far (before the scale of the wells), and whether one particle goes or all do
_MOVES = ((0.1, False), (0.6, True), (0.25, False), (2.5, True))


@dataclass(frozen=True)
class DoubleWellParticles:
    r"""N particles in R^d with a double well in the distance of every pair: DW-4, unless told otherwise.

    .. math:: p(x) \propto e^{-E(x)}, \qquad E(x) = \frac{1}{2\tau} \sum_{i \ne j} e(d_{ij}), \qquad
              e(d) = a (d - d_0) + b (d - d_0)^2 + c (d - d_0)^4

    on centred sets of points; invariant under rotations, reflections and permutations. Every pair counts once, as
    i, j and j, i.

    Drawn by Metropolis' rule, one chain for every row, from a wide start; rows are independent. Moves of one particle
    across the wells and of all by a little take turns. After 1000 of them DW-4 is not told from its law by 10^4 rows;
    after 300 it is.

    Source: Koehler, Klein & Noe, Equivariant Flows (ICML 2020), https://arxiv.org/abs/2006.02425; numbers as in Klein,
        Kraemer & Noe, Equivariant flow matching, https://arxiv.org/abs/2306.15030, and their code (bgflow), whose sum
        over pairs i < j has no factor 1/2.

    Args:
        count: N >= 2.
        dimension: d >= 1.
        linear: a.
        square: b.
        quartic: c > 0.
        distance: d_0.
        temperature: tau > 0.
        steps: Moves of a chain, >= 1.

    Shapes: rows `[n, N, d]`, energies `[n]` in units of kT.
    Raises: `InvalidInput` for numbers out of range.

    Example:
        >>> law = DoubleWellParticles(steps=10)
        >>> x = law.sample(5, generator=torch.Generator().manual_seed(0))
        >>> x.shape, law.energy(x).shape
        (torch.Size([5, 4, 2]), torch.Size([5]))
    """

    count: int = 4
    dimension: int = 2
    linear: float = 0.0
    square: float = -4.0
    quartic: float = 0.9
    distance: float = 4.0
    temperature: float = 1.0
    steps: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("count", 2), ("dimension", 1), ("steps", 1)):
            require(getattr(self, name) >= least, f"{name} is {getattr(self, name)}, expected at least {least}")
        for name in ("quartic", "temperature"):
            require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}, expected a positive number")

    def pair_energy(self, r: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """e(r) / tau."""
        u = r - self.distance
        return (self.linear * u + self.square * u.square() + self.quartic * u.square().square()) / self.temperature

    def distances(self, x: Float[Tensor, "n points d"]) -> Float[Tensor, "n pairs"]:
        """Distances of all pairs i < j."""
        i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
        return (x[:, i] - x[:, j]).norm(dim=2)

    def energy(self, x: Float[Tensor, "n points d"]) -> Float[Tensor, " n"]:
        """E(x)."""
        return self.pair_energy(self.distances(x)).sum(1)

    @torch.no_grad()
    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n points d"]:
        """`n` independent draws, in the default dtype."""
        like = torch.empty(0)
        shape = (n, self.count, self.dimension)
        x = self.distance / 2 * randn(shape, like, generator=generator)
        draw: Callable[..., Tensor] = lambda *size: rand(size, like, generator=generator)
        energy = self.energy(x)
        for k in range(self.steps):
            scale, alone = _MOVES[k % len(_MOVES)]
            step = scale * randn(shape, like, generator=generator)
            if alone:
                chosen = (draw(n, 1) * self.count).long()
                step = step * (torch.arange(self.count) == chosen)[..., None]
            there = x + step
            found = self.energy(there)
            taken = draw(n) < (energy - found).exp()
            x, energy = torch.where(taken[:, None, None], there, x), torch.where(taken, found, energy)
        return x - x.mean(1, keepdim=True)
