"""Balls."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, like, rand, randn, require, time_dtype
from pushforward.spaces.domain import Domain
from pushforward.spaces.polytope import ball_point, log_ball_volume

__all__ = ["Ball"]


@dataclass(frozen=True)
class Ball(Domain):
    r"""The ball |x| <= R, whose wall throws back along the ray; see `Domain`.

    .. math:: F(y) = f(|y|)\, n, \qquad n = \frac y{|y|}, \qquad
              f(r) = R - |(r + R) \bmod 4R - 2R|

    so that f(r) = 2R - r just beyond the wall, and a step of more than a diameter comes out on the other side. The
    differential of F is f' = +1 or -1 along n, and f(r) / r across; slopes come back through its inverse. (Reflection
    of the slope alone would forget the factor across, and with it the order of a method.)

    Source: Xie et al., Reflected Flow Matching (ICML 2024), https://arxiv.org/abs/2405.16577; the fold and its
        differential derived.

    Args:
        radius: R > 0. Noise is uniform.

    Raises: `InvalidInput` for a radius that is not positive and finite.

    Example:
        >>> Ball(2.0).move(torch.tensor([[1.5, 0.0]]), torch.ones(1, 2) * torch.tensor([1.0, 0.0]), torch.ones(1))
        tensor([[1.5000, 0.0000]])
    """

    radius: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.radius < math.inf, f"Ball.radius is {self.radius}, expected a positive, finite number")

    def _wall(self, x: Tensor) -> float:
        """The radius, less what rounding may add to a norm."""
        return self.radius * (1 - (x.shape[-1] + 4) * torch.finfo(x.dtype).eps)

    def _radial(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r `[..., 1]`, f(r), and the sign of f'."""
        r, wall = _norm(y), self._wall(y)
        phase = (r + wall).remainder(4 * wall)
        folded = torch.where(r <= wall, r, (wall - (phase - 2 * wall).abs()).clamp(-wall, wall))
        return r, folded, torch.where((r <= wall) | (phase < 2 * wall), 1.0, -1.0).to(y.dtype)

    def _fold(self, y: Tensor) -> Tensor:
        r, folded, _ = self._radial(y)
        return torch.where(r == folded, y, folded * (y / r.clamp_min(torch.finfo(y.dtype).tiny)))

    def _unfold(self, y: Tensor, v: Tensor) -> Tensor:
        r, folded, sign = self._radial(y)
        n = y / r.clamp_min(torch.finfo(y.dtype).tiny)
        along = (v * n).sum(-1, keepdim=True) * n
        # a step that lands on the centre of the fold has no inverse: its factor is held, and its error large
        least = torch.finfo(y.dtype).eps ** 0.5 * self.radius
        across = torch.where(r == folded, 1.0, r / torch.where(folded.abs() < least, least, folded))
        return torch.where(r == folded, v, sign * along + across * (v - along))

    def _nearest(self, y: Tensor) -> Tensor:
        r, wall = _norm(y), self._wall(y)
        return torch.where(r <= self.radius, y, y / r.clamp_min(wall) * wall)

    def _draw(self, shaped: Tensor, generator: Gen) -> Tensor:
        z = randn(shaped.shape, shaped.to(time_dtype(shaped)), generator=generator)
        u = rand(shaped.shape[:-1], shaped, generator=generator)
        return self._nearest(like(self.radius * ball_point(z, u), shaped))

    def _log_density(self, x: Tensor) -> Tensor:
        density = -log_ball_volume(x.shape[-1], self.radius)
        return torch.where(self._inside(x), torch.full_like(x[..., 0], density), -math.inf)

    def _inside(self, x: Tensor) -> Tensor:
        return _norm(x)[..., 0] <= self.radius


def _norm(y: Tensor) -> Tensor:
    """|y| `[..., 1]`, without overflow for steps of any size."""
    size = y.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(y.dtype).tiny)
    return size * (y / size).norm(dim=-1, keepdim=True)
