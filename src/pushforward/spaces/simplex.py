"""The probability simplex."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, like, rand, require
from pushforward.spaces.concrete import Concrete
from pushforward.spaces.domain import Domain
from pushforward.spaces.reflection import reflect, unreflect

__all__ = ["Simplex"]


@dataclass(frozen=True)
class Simplex(Domain):
    r"""Probability vectors, x_i >= 0 of sum 1, in their plane, whose faces throw back; see `Domain`.

    .. math:: x \leftarrow x - 2 \min(x_i, 0)\, \frac{e_i - \tfrac1K \mathbf 1}{1 - \tfrac1K}, \qquad i = \arg\min_i x_i

    the reflection in the face x_i = 0 within the plane, a bounded number of times; what is still outside then goes to
    the nearest point. Motions lose what they have across the plane, so that a network need not know of it. Noise is
    Dirichlet(1, ..., 1), uniform, with density (K - 1)! / sqrt(K) against the volume of the plane, unless told
    otherwise.

    Source: Xie et al., Reflected Flow Matching (ICML 2024), https://arxiv.org/abs/2405.16577, with a Dirichlet prior;
        the nearest point by Duchi et al., Efficient Projections onto the l1-Ball (ICML 2008),
        https://doi.org/10.1145/1390156.1390191.

    Args:
        reflections: The bounded number, >= 1.
        reference: Law of its noise, from which paths start; None for the uniform one.

    Shapes: states `[B, ..., K]`, K >= 2.

    Example:
        >>> third = torch.full((1, 3), 1 / 3)
        >>> Simplex().move(third, torch.tensor([[-2.0, 1.0, 1.0]]) / 3, torch.ones(1))
        tensor([[0.3333, 0.3333, 0.3333]])
    """

    reflections: int = 16
    reference: Concrete | None = None

    def __post_init__(self) -> None:
        require(self.reflections >= 1, f"Simplex.reflections is {self.reflections}, expected at least 1")

    def _tangent(self, u: Tensor) -> Tensor:
        require(u.ndim >= 2 and u.shape[-1] >= 2, f"states of a Simplex are [B, ..., K], K >= 2; got {list(u.shape)}")
        return u - u.mean(-1, keepdim=True)

    @staticmethod
    def _worst(y: Tensor) -> tuple[Tensor, Tensor]:
        """How far behind the worst face, in the plane, and the normal that points out there."""
        k = y.shape[-1]
        least, face = y.min(-1)
        size = math.sqrt(1 - 1 / k)
        normal = y.new_full(y.shape, 1 / k / size).scatter_add(
            -1, face[..., None], y.new_full((*face.shape, 1), -1 / size)
        )
        return -least / size, normal

    def _fold(self, y: Tensor) -> Tensor:
        folded, _ = reflect(y, self._worst, self.reflections)
        off = (y.sum(-1, keepdim=True) - 1) / y.shape[-1]
        # rounding errors of thousands of steps do not add up; what is exact to rounding is left alone, to the bit
        kept = torch.where(off.abs() > torch.finfo(y.dtype).eps, (y - off).clamp_min(0), y)
        return torch.where((y >= 0).all(-1, keepdim=True), kept, self._nearest(folded))

    def _unfold(self, y: Tensor, v: Tensor) -> Tensor:
        return unreflect(v, reflect(y, self._worst, self.reflections)[1])

    def _nearest(self, y: Tensor) -> Tensor:
        y = y - y.amax(-1, keepdim=True)  # nothing of a common shift is left in the answer, but its rounding
        down = y.sort(-1, descending=True).values
        order = torch.arange(1, y.shape[-1] + 1, device=y.device, dtype=y.dtype)
        shift = (down.cumsum(-1) - 1) / order
        last = ((down > shift).sum(-1, keepdim=True) - 1).clamp_min(0)
        x = (y - shift.gather(-1, last)).clamp_min(0)
        return x / x.sum(-1, keepdim=True)

    def _draw(self, shaped: Tensor, generator: Gen) -> Tensor:
        self._tangent(shaped)
        if self.reference is not None:
            return like(self.reference.draw(shaped, generator=generator), shaped)
        e = -torch.log1p(-rand(shaped.shape, shaped, generator=generator))
        return like(e / e.sum(-1, keepdim=True), shaped)

    def _log_density(self, x: Tensor) -> Tensor:
        k = x.shape[-1]
        if self.reference is not None:
            density = self.reference.log_prob(x) - 0.5 * math.log(k)
        else:
            density = torch.full_like(x[..., 0], math.lgamma(k) - 0.5 * math.log(k))
        return torch.where(self._inside(x), density, -math.inf)

    def _inside(self, x: Tensor) -> Tensor:
        rounding = 4 * x.shape[-1] * torch.finfo(x.dtype).eps
        return (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() <= rounding)

    def _free(self, shape: torch.Size) -> int:
        return shape.numel() // shape[-1] * (shape[-1] - 1)
