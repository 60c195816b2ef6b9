"""Geodesics of the Fisher-Rao metric to the vertices of the simplex."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import Gen, Law, Pairs, Point, State, align, like, require
from pushforward.paths.geodesic import Geodesic
from pushforward.paths.on_simplex import ends_of, said
from pushforward.spaces import Orthant

__all__ = ["Fisher"]

WIDTH = 1e-9  # of the edge of what is possible
TINY = 1e-30


@dataclass(frozen=True)
class Fisher:
    r"""Shortest paths between square roots of probabilities, on the positive part of the sphere.

    .. math:: s_t = \exp_{s_0}\!\big(t \log_{s_0} e_k\big), \qquad \dot s_t = \frac{\log_{s_t} e_k}{1 - t}, \qquad
              v(s, t) = \sum_k \mathrm P(k \mid s_t = s)\, \frac{\log_s e_k}{1 - t}

    `Velocity` regresses on it, as the paper does; `Logits` says the posterior, from which v follows. States are square
    roots, and probabilities their squares. From uniform noise, with theta_k the angle to vertex k (derived),

    .. math:: p_t(s \mid k) \propto \Big[\frac{\sin(\theta_k / (1 - t))}{\sin \theta_k}\Big]^{K-2}
              1\big[\theta_k \le (1 - t)\, \tfrac{\pi}{2}\big]

    so that, as on `LinearSimplex`, symbols become impossible one after the other. K = 2 is straight lines on an
    interval of angles.

    Source: Davis et al., Fisher Flow Matching for Generative Modeling over Discrete Data (NeurIPS 2024),
        https://arxiv.org/abs/2405.14664. Differs: the posterior view.

    Args:
        smoothing: Share of every vertex that goes to all symbols alike, in [0, 1); the paper has up to 0.1. Square
            roots are steep at 0, but geodesics are not, so 0 will do. The exact likelihood is there for 0 only.

    Shapes: x0 and states `[B, *E, K]`, x1 symbols `[B, *E]` or one-hot vectors `[B, *E, K]`.
    Raises: `InvalidInput` for a smoothing out of range, and states of other shapes.

    Example:
        >>> path, half = Fisher(), torch.full((1, 2), 0.5).sqrt()
        >>> path.sample(pf.core.Pairs((half, torch.tensor([1]))), torch.tensor([0.5])).x.square()
        tensor([[0.1464, 0.8536]])
    """

    smoothing: float = 0.0
    says_symbols = True
    span = (0.0, 1.0)  # a step that ends at t = 1 arrives

    def __post_init__(self) -> None:
        require(0 <= self.smoothing < 1, f"Fisher.smoothing is {self.smoothing}, expected a share in [0, 1)")

    @property
    def space(self) -> Orthant:
        """Square roots of probabilities, with uniform noise."""
        return Orthant()

    def _geodesic(self, pairs: Pairs) -> Pairs:
        x0, x1 = ends_of(pairs)
        return pairs._replace(anchors=(x0, self._smoothed(x1)))

    def _smoothed(self, vertex: Tensor) -> Tensor:
        return ((1 - self.smoothing) * vertex + self.smoothing / vertex.shape[-1]).sqrt()

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """s_t given both ends."""
        return Geodesic(self.space).sample(self._geodesic(pairs), t)._replace(pairs=pairs)

    def velocity(self, point: Point) -> State:
        """Conditional velocity at a drawn point."""
        return Geodesic(self.space).velocity(point._replace(pairs=self._geodesic(point.pairs)))

    def drift(self, law: Law, x: State, t: Tensor) -> Tensor:
        """Marginal velocity from the posterior of every position; held at t = 1.

        The logarithms to all vertices, added: theta_k / sin(theta_k) (e_k - s_k s).
        """
        probs, x = said(law.mean, x)
        if self.smoothing > 0:
            every = self._smoothed(one_hot(torch.arange(x.shape[-1], device=x.device)).to(x.dtype))
            logs = self.space.log(x[..., None, :].expand(*x.shape, x.shape[-1]), every.expand(*x.shape, x.shape[-1]))
            motion = (probs[..., None] * cast(Tensor, logs)).sum(-2)
        else:
            angle, sine = self._angle(x)
            pull = probs * angle / sine.clamp_min(TINY)
            motion = torch.where(sine < 1e-6, probs, pull)
            motion = motion - x * (x * motion).sum(-1, keepdim=True)
        return like(motion / align((1 - t).clamp_min(torch.finfo(t.dtype).eps), x), x)

    @staticmethod
    def _angle(x: Tensor) -> tuple[Tensor, Tensor]:
        """Angles to all vertices and their sines, exact to rounding near 0."""
        square = x.square()
        # what the other coordinates hold, added and not subtracted from 1 where it is small
        others = torch.where(square > 0.5, _rest(square), 1 - square).clamp_min(0.0)
        sine = others.clamp_min(TINY).sqrt()
        return torch.atan2(sine, x.clamp_min(0.0)), sine

    def log_likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        """log p_t(s | k) for every symbol k, up to what all share, from uniform noise; the edge is 1e-9 wide."""
        require(self.smoothing == 0, "the likelihood of smoothed vertices is not known; give Fisher(smoothing=0)")
        angle, sine = self._angle(x)
        left = align((1 - t).clamp_min(1e-12), x)
        start = (angle / left).clamp_max(math.pi / 2)
        outside = (angle - left * math.pi / 2).clamp_min(0.0)
        return (x.shape[-1] - 2) * (start.sin().clamp_min(TINY).log() - sine.log()) - outside / WIDTH


def _rest(square: Tensor) -> Tensor:
    """The sum of all other entries, for the largest one."""
    return square.sum(-1, keepdim=True) - square.amax(-1, keepdim=True)
