"""Straight lines to the vertices of the simplex."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Gen, Law, Pairs, Point, Space, State, align, like
from pushforward.paths.on_simplex import ends_of, require_simplex, said
from pushforward.spaces import Simplex

__all__ = ["LinearSimplex"]

WIDTH = 1e-9  # of the edge of what is possible: rounding errors of states that move along it are smaller


@dataclass(frozen=True)
class LinearSimplex:
    r"""Every position goes straight from noise to the vertex of its symbol: the baseline, with its pathology.

    .. math:: x_t = (1 - t)\, x_0 + t\, e_k, \qquad v(x, t) = \frac{\mathrm P(x_1 = \cdot \mid x_t = x) - x}{1 - t},
              \qquad \mathrm P(k \mid x) \propto p_k\, 1[x_k \ge t]

    A symbol is possible only while x_k >= t, so that at most 1/t are: after t = 1/2 nothing is left to decide. With
    uniform noise, of 4 symbols 1.56 are possible on average at t = 0.3, of 20 1.08 at t = 0.2, and of 80 1.01 at
    t = 0.1 (derived): the more symbols, the earlier and the more abruptly everything is settled, which networks blur.
    `Dirichlet` has no such edge.

    Source: the baseline of Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841, whose Proposition 1 is the pathology.

    Args:
        space: The simplex.

    Shapes: x0 and states `[B, *E, K]`, x1 symbols `[B, *E]` or one-hot vectors `[B, *E, K]`.
    Raises: `Incompatible` for other spaces; `InvalidInput` for states of other shapes.

    Example:
        >>> path, half = LinearSimplex(), torch.tensor([[0.5, 0.5]])
        >>> path.sample(pf.core.Pairs((half, torch.tensor([1]))), torch.tensor([0.5])).x
        tensor([[0.2500, 0.7500]])
    """

    space: Space = field(default_factory=Simplex)
    span = (0.0, 1.0)  # a step that ends at t = 1 arrives at the posterior

    def __post_init__(self) -> None:
        require_simplex("LinearSimplex", self.space)

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t given both ends."""
        x0, x1 = ends_of(pairs)
        return Point(like(torch.lerp(x0, x1, align(t, x0).to(x0.dtype)), x0), t, pairs)

    def velocity(self, point: Point) -> Tensor:
        """x1 - x0."""
        x0, x1 = ends_of(point.pairs)
        return x1 - x0

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal velocity from the posterior of every position; held at t = 1."""
        probs, x = said(law.mean, x)
        return like((probs - x) / align((1 - t).clamp_min(torch.finfo(t.dtype).eps), x), x)

    def log_likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        """log p_t(x | k) for every symbol k, up to what all share: 0 where x_k >= t, and steeply down from there.

        The edge is 1e-9 wide, so that something is possible everywhere.
        """
        return -(align(t, x) - cast(Tensor, x)).clamp_min(0.0) / WIDTH
