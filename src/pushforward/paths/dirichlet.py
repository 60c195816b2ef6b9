"""Dirichlet laws that concentrate at a vertex."""

import math
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Gen, Law, Pairs, Point, Space, State, align, like, require
from pushforward.paths.dirichlet_speed import dirichlet_speed, tabulated_speed
from pushforward.paths.on_simplex import EARLIEST_ZERO, ends_of, require_simplex, said
from pushforward.spaces import Simplex

__all__ = ["Dirichlet"]

EARLY = 1e-4  # least clock that scores are divided by


@dataclass(frozen=True)
class Dirichlet:
    r"""Every position has a Dirichlet law that concentrates at its symbol, while mass moves straight towards it.

    .. math:: p_t(x \mid k) = \mathrm{Dir}(x;\ \mathbf 1 + c\, e_k), \quad c = c_1 t, \qquad
              u_t(x \mid k) = c_1\, C(x_k, c)\, (e_k - x)

    with the speed C of `dirichlet_speed`; the marginal velocity takes the posterior of every symbol,

    .. math:: v(x, t) = c_1 \sum_k \mathrm P(x_1 = k \mid x_t = x)\, C(x_k, c)\, (e_k - x), \qquad
              \mathrm P(k \mid x) \propto p_k\, x_k^c

    Unlike on `LinearSimplex` all symbols stay possible at all times, so that decisions are spread over the whole way.
    At t = 1 the law is no vertex (c_1 = 7): read the answer off the posterior, `field.law(x, t).mode` or `.sample()`.
    A step of `Euler(Simplex())` is a convex combination as long as it has :math:`h c_1 C < 1`, which 7 steps have: none
    is clipped.

    Given both ends, :math:`x_t = x_0 + w (e_k - x_0)` with w ~ Beta(c, K), which has this law when x0 is uniform
    (derived; Gamma(1) + Gamma(c) is Gamma(1 + c)): x0 is where a row starts, and couplings that bend its law given x1
    change the path.

    Source: Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841. Differs: the paper's time is c, without an end, and its training draws
        c = 2 Exp(1), for which there is `times.Exponential`.

    Args:
        space: The simplex, with uniform noise.
        clock: c_1 > 0, where the clock ends; the paper samples to 7.
        table: Whether speeds are read from a table (relative error 1e-6), or integrated at every call, which costs
            19 times as much for 500 rows of 4 x 4 numbers and 109 times for 4 x 20 (one core).

    Shapes: x0 and states `[B, *E, K]`, x1 symbols `[B, *E]` or one-hot vectors `[B, *E, K]`; a law of x1 has a `mean`
        `[B, *E, K]`.
    Raises: `Incompatible` for other spaces; `InvalidInput` for other noise, a clock that is not positive, and states
        of other shapes.

    Example:
        >>> path, third = Dirichlet(), torch.full((1, 3), 1 / 3)
        >>> path.drift(pf.fields.Categorical(torch.tensor([[9.0, 0.0, 0.0]])), third, torch.zeros(1))
        tensor([[ 2.0369, -1.0184, -1.0184]])
    """

    space: Space = field(default_factory=Simplex)
    clock: float = 7.0
    table: bool = True
    span = (0.0, 1.0)

    def __post_init__(self) -> None:
        require_simplex("Dirichlet", self.space)
        require(
            cast(Simplex, self.space).reference is None,
            f"a Dirichlet path starts at uniform noise, and the space has {cast(Simplex, self.space).reference}; give "
            "Simplex()",
        )
        require(0 < self.clock < math.inf, f"Dirichlet.clock is {self.clock}, expected a positive number such as 7")

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given both ends."""
        x0, x1 = ends_of(pairs)
        home = x0.device if generator is None else generator.device
        one = torch.ones(x0.shape[:-1], dtype=torch.promote_types(x0.dtype, torch.float32), device=home)
        clock = self.clock * t.to(one)
        grown = torch._standard_gamma(align(clock, one).clamp_min(1e-12) * one, generator=generator)
        rest = torch._standard_gamma(x0.shape[-1] * one, generator=generator)
        way = torch.where(align(clock, one) > 0, grown / (grown + rest), 0.0).to(x0.device)[..., None]
        return Point(like(torch.lerp(x0, x1, way.to(x0.dtype)), x0), t, pairs)

    def speed(self, x: Tensor, t: Tensor) -> Tensor:
        """c_1 C of every coordinate, `[B, *E, K]`."""
        c = self.clock * t
        if self.table:
            return self.clock * tabulated_speed(x, c, self.clock)
        return self.clock * dirichlet_speed(x, align(c, x).expand_as(x), x.shape[-1])

    def velocity(self, point: Point) -> Tensor:
        """Straight to the vertex of x1."""
        x1 = ends_of(point.pairs)[1]
        return self._towards(x1, cast(Tensor, point.x), point.t)

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal velocity from the posterior of every position."""
        return self._towards(*said(law.mean, x), t)

    def _towards(self, probs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        pull = probs * self.speed(x, t)
        return like(pull - x * pull.sum(-1, keepdim=True), x)

    def log_likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        r"""log p_t(x | k) for every symbol k, `[B, *E, K]`, up to what all k share: c log x_k."""
        return align(self.clock * t, x) * x.clamp_min(EARLIEST_ZERO).log()

    def score(self, probs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        r"""The score within the simplex that a posterior means: c (phat / x - mean of it), of sum 0."""
        ratio = probs / x.clamp_min(EARLIEST_ZERO)
        return align(self.clock * t, x) * (ratio - ratio.mean(-1, keepdim=True))

    def posterior(self, score: Tensor, x: Tensor, t: Tensor) -> Tensor:
        r"""The posterior that a score means: x s / c + x (1 - <x, s> / c), of sum 1; clocks below 1e-4 are that.

        What all entries of the score share does not count. Entries may be negative for scores of no posterior.
        """
        s = score / align((self.clock * t).clamp_min(EARLY), x)
        return x * (s + 1 - (x * s).sum(-1, keepdim=True))
