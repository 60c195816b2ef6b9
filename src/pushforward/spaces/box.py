"""Boxes."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

from pushforward.core import Gen, InvalidInput, like, rand, require, time_dtype
from pushforward.spaces.domain import Domain

__all__ = ["Box", "TruncatedNormal"]

Bound: TypeAlias = float | tuple[float, ...]


@lru_cache(maxsize=256)
def _as_tensor(bound: Bound, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(bound, dtype=dtype, device=device)  # kept: a copy to a device at every step would wait for it


@dataclass(frozen=True)
class TruncatedNormal:
    r"""Noise of a box: normal around its middle m, cut off at its walls, coordinate by coordinate.

    .. math:: x = m + s\tfrac w2\, \Phi^{-1}\big(\Phi(-\tfrac1s) + u\,(1 - 2\Phi(-\tfrac1s))\big), \quad u \sim U(0, 1)

    with w the side. The prior of Reflected Flow Matching, there on [-1, 1].

    Args:
        std: s > 0, in half sides: 1 is N(0, 1) on [-1, 1].

    Raises: `InvalidInput` for an s that is not positive and finite.

    Example:
        >>> box = Box(-1.0, 1.0, reference=TruncatedNormal(0.5))
        >>> box.noise_log_prob(torch.zeros(1, 1)).exp()
        tensor([0.8359])
    """

    std: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.std < math.inf, f"TruncatedNormal.std is {self.std}, expected a positive number of half sides")

    def quantile(self, share: Tensor) -> Tensor:
        """The value in [-1, 1] below which `share` of the law is."""
        z = math.sqrt(0.5) / self.std
        # by erfinv, which is as exact in the middle as at the ends
        return (math.sqrt(2) * self.std * torch.erfinv((2 * share - 1) * math.erf(z))).clamp(-1, 1)

    def log_density(self, z: Tensor) -> Tensor:
        """At values in [-1, 1]."""
        constant = math.log(self.std * math.sqrt(2 * math.pi) * math.erf(math.sqrt(0.5) / self.std))
        return -0.5 * (z / self.std).square() - constant


@dataclass(frozen=True)
class Box(Domain):
    r"""The box [low, high], coordinate by coordinate, whose walls throw back; see `Domain`.

    .. math:: F(y) = \ell + (w - |r - w|), \qquad r = (y - \ell) \bmod 2w, \qquad w = h - \ell

    However far the step, F(y) is inside; a slope at F(y) comes back with the sign of F'(y), +1 or -1.

    Source: Xie et al., Reflected Flow Matching (ICML 2024), https://arxiv.org/abs/2405.16577.

    Args:
        low: Lower wall, one number or one for each coordinate of the last axis.
        high: Upper wall.
        reference: Law of its noise; None for the uniform one.

    Shapes: states and motions `[B, *E]`, or mappings of such.
    Raises: `InvalidInput` for walls that are not finite, or not in this order.

    Example:
        >>> Box(0.0, 1.0).move(torch.tensor([[0.25, 0.75]]), torch.ones(1, 2), torch.tensor([0.5]))
        tensor([[0.7500, 0.7500]])
    """

    low: Bound = -1.0
    high: Bound = 1.0
    reference: TruncatedNormal | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            many = not isinstance(value, (int, float))
            object.__setattr__(self, name, tuple(float(v) for v in value) if many else float(value))
        low, high = (torch.tensor(bound, dtype=torch.float64) for bound in (self.low, self.high))
        require(
            low.shape == high.shape or 0 in (low.ndim, high.ndim),
            f"Box has {low.numel()} lower and {high.numel()} upper walls; give as many of both, or one number",
        )
        require(
            bool((low < high).all() and low.isfinite().all() and high.isfinite().all()),
            f"Box goes from {self.low} to {self.high}, expected finite numbers, the smaller first; for one wall alone "
            "use half_space",
        )

    def _walls(self, x: Tensor, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        low, high = (_as_tensor(bound, dtype or x.dtype, x.device) for bound in (self.low, self.high))
        for bound in (low, high):
            if bound.ndim == 1 and (x.ndim < 2 or x.shape[-1] != len(bound)):
                raise InvalidInput(
                    f"this Box has {len(bound)} coordinates, the states have shape {list(x.shape)}; give walls for the "
                    "last axis, or one number for all"
                )
        return low, high

    def _fold(self, y: Tensor) -> Tensor:
        low, high = self._walls(y)
        width = high - low
        folded = (low + (width - ((y - low).remainder(2 * width) - width).abs())).clamp(low, high)
        return torch.where((y >= low) & (y <= high), y, folded)  # to the bit where nothing is folded

    def _unfold(self, y: Tensor, v: Tensor) -> Tensor:
        low, high = self._walls(y)
        width = high - low
        back = (y - low).remainder(2 * width) > width
        return torch.where(back & ~((y >= low) & (y <= high)), -v, v)

    def _nearest(self, y: Tensor) -> Tensor:
        return y.clamp(*self._walls(y))

    def _draw(self, shaped: Tensor, generator: Gen) -> Tensor:
        low, high = self._walls(shaped, time_dtype(shaped))
        share = rand(shaped.shape, shaped, generator=generator)
        if self.reference is not None:
            share = (1 + self.reference.quantile(share)) / 2
        return self._nearest(like(torch.lerp(low.expand_as(share), high.expand_as(share), share), shaped))

    def _log_density(self, x: Tensor) -> Tensor:
        low, high = self._walls(x)
        density = -(high - low).log().expand_as(x)
        if self.reference is not None:
            z = (2 * x - low - high) / (high - low)
            density = density + math.log(2) + self.reference.log_density(z)
        return torch.where(self._inside(x), density, -math.inf)

    def _inside(self, x: Tensor) -> Tensor:
        low, high = self._walls(x)
        return (x >= low) & (x <= high)
