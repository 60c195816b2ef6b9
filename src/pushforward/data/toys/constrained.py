"""Mixtures of Gaussians that are kept inside a convex domain."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, generator_from, require
from pushforward.data.toys.draws import normal, pick, uniform
from pushforward.spaces import Ball, Box, Domain, Polytope

__all__ = ["BallMixture", "BoxFaces", "PolytopeMixture"]

ROUNDS = 60  # of rejection, each over all rows


def _kept(n: int, propose: Callable[[], Tensor], space: Domain) -> Tensor:
    """`n` independent proposals that are inside; proposals that are not are drawn again."""
    x = propose()
    for _ in range(ROUNDS):
        outside = ~space.contains(x)
        x = torch.where(outside[:, None], propose(), x)
    outside = int((~space.contains(x)).sum())
    require(not outside, f"{outside} of {n} draws stayed outside after {ROUNDS} rounds; use a smaller variance")
    return x


@dataclass(frozen=True)
class BoxFaces:
    r"""A mixture piled at the faces of the box [-1, 1]^d: each coordinate is near a wall, or in the middle.

    .. math:: x_i = c\,\big(1 - |e|\big), \quad e \sim N(0, s^2), \quad c = \pm 1 \ \text{with probability}\ \tfrac p2
              \ \text{each}; \qquad \text{else}\ x_i \sim N(0, s^2)

    with |e| and the middle drawn again beyond 1. The density is largest at the faces, where it breaks off.

    Args:
        dim: d >= 1.
        share: p in [0, 1], how much of a coordinate's mass is at its walls.
        std: s in (0, 1/2].
    """

    dim: int = 2
    share: float = 0.8
    std: float = 0.1

    def __post_init__(self) -> None:
        require(
            self.dim >= 1 and 0 <= self.share <= 1 and 0 < self.std <= 0.5,
            f"BoxFaces needs dim >= 1, share in [0, 1] and std in (0, 0.5], got {self.dim}, {self.share}, {self.std}",
        )

    @property
    def space(self) -> Box:
        """The box."""
        return Box(-1.0, 1.0)

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` independent draws."""
        limit = math.erf(math.sqrt(0.5) / self.std)
        # a normal cut off at 1, by its quantiles
        share = 2 * uniform(n, self.dim, generator=generator) - 1
        e = (math.sqrt(2) * self.std * torch.erfinv(share * limit)).clamp(-1, 1)
        u = uniform(n, self.dim, generator=generator)
        wall = 1 - e.abs()
        return torch.where(u < self.share / 2, wall, torch.where(u < self.share, -wall, e))

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Log-density, in nats; -inf outside."""
        limit = math.erf(math.sqrt(0.5) / self.std)
        constant = self.std * math.sqrt(2 * math.pi) * limit
        law = lambda e: torch.where(e.abs() <= 1, (-0.5 * (e / self.std).square()).exp() / constant, 0.0)
        # |e| has twice the density of e
        density = (1 - self.share) * law(x) + self.share * (law(1 - x) * (x <= 1) + law(1 + x) * (x >= -1))
        return torch.where(x.abs() <= 1, density, 0.0).log().sum(1)


@dataclass(frozen=True)
class PolytopeMixture:
    r"""Gaussians of covariance 0.4 I around points of a polytope with 30 faces in 10 dimensions, kept inside.

    .. math:: x \sim \tfrac1K \sum_k N(m_k, s^2 I)\big|_{A x \le b}, \qquad s^2 = 0.4

    The target of the first table of Mirror Flow Matching. Its paper leaves open: A and b (here unit normals drawn
    uniformly and b = 2, which leaves a ball of radius 2 inside), the number and the places of the Gaussians (here
    eight, uniform in that ball), and how draws are kept inside (here drawn again, Gaussian included). So figures are
    beside the paper's, not the same measurement.

    Source: Guan, Balasubramanian & Ma, Mirror Flow Matching with Heavy-Tailed Priors for Generative Modeling on Convex
        Domains (ICLR 2026), https://arxiv.org/abs/2510.08929.

    Args:
        dim: d.
        faces: Rows of A, more than d.
        bound: b > 0, the same for all.
        components: K >= 1.
        variance: s^2.
        problem: Seed of A and of the means.

    Raises: `InvalidInput` for sizes that make no polytope.
    """

    dim: int = 10
    faces: int = 30
    bound: float = 2.0
    components: int = 8
    variance: float = 0.4
    problem: int = 0

    def __post_init__(self) -> None:
        require(
            self.faces > self.dim >= 1 and self.bound > 0 and self.components >= 1 and self.variance > 0,
            f"PolytopeMixture needs more faces than dimensions and positive numbers, got {self}",
        )

    @property
    def space(self) -> Polytope:
        """The polytope; its noise is uniform in the ball of radius b around 0, or a larger one."""
        return _polytope(self)[0]

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` independent draws."""
        space, means = _polytope(self)

        def propose() -> Tensor:
            centre = means.to(None if generator is None else generator.device)[pick(n, self.components, generator)]
            return centre + math.sqrt(self.variance) * normal(n, self.dim, generator=generator)

        return _kept(n, propose, space)


@lru_cache(maxsize=16)
def _polytope(law: PolytopeMixture) -> tuple[Polytope, Tensor]:
    gen = generator_from(law.problem, "polytope mixture")
    normals = torch.randn(law.faces, law.dim, generator=gen, dtype=torch.float64)
    normals = normals / normals.norm(dim=1, keepdim=True)
    space = Polytope.of(normals, torch.full((law.faces,), law.bound, dtype=torch.float64))
    means = Ball(law.bound).noise(torch.empty(law.components, law.dim), generator=gen)
    assert isinstance(means, Tensor)
    return space, means


@dataclass(frozen=True)
class BallMixture:
    r"""Gaussians around points of a ball in 6 dimensions, kept inside.

    .. math:: x \sim \tfrac1K \sum_k N(m_k, s^2 I)\big|_{|x| \le R}

    The target of the second table of Mirror Flow Matching. The ball is |x|^2 < 144 in one version of the paper and < 25
    in another: here R = 5. It leaves open the Gaussians, too: here eight of variance 1 around points at distance 4 from
    the centre, so that much of their mass presses at the wall; draws outside are drawn again, Gaussian included.

    Source: Guan, Balasubramanian & Ma, Mirror Flow Matching with Heavy-Tailed Priors for Generative Modeling on Convex
        Domains (ICLR 2026), https://arxiv.org/abs/2510.08929.

    Args:
        dim: d >= 1.
        radius: R > 0.
        distance: |m_k|, below R.
        components: K >= 1.
        variance: s^2.
        problem: Seed of the means.
    """

    dim: int = 6
    radius: float = 5.0
    distance: float = 4.0
    components: int = 8
    variance: float = 1.0
    problem: int = 0

    def __post_init__(self) -> None:
        require(
            self.dim >= 1 and 0 <= self.distance < self.radius and self.components >= 1 and self.variance > 0,
            f"BallMixture needs 0 <= distance < radius and positive numbers, got {self}",
        )

    @property
    def space(self) -> Ball:
        """The ball."""
        return Ball(self.radius)

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n d"]:
        """`n` independent draws."""
        z = torch.randn(self.components, self.dim, generator=generator_from(self.problem, "ball mixture"))
        means = self.distance * z / z.norm(dim=1, keepdim=True)

        def propose() -> Tensor:
            centre = means.to(None if generator is None else generator.device)[pick(n, self.components, generator)]
            return centre + math.sqrt(self.variance) * normal(n, self.dim, generator=generator)

        return _kept(n, propose, self.space)
