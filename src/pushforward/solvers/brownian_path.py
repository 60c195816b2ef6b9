"""A Brownian path that is a function of its seed."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import State, align, generator_from, leaves, like, require
from pushforward.solvers.increments import Increment

__all__ = ["BrownianPath"]

# multipliers of SplitMix64 as signed numbers; products wrap around
_GOLDEN = -7046029254386353131
_FIRST = -4658895280553007687
_SECOND = -7723592293110705685


def _hash(key: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """SplitMix64's finaliser: 64 well-mixed bits of every key."""
    # `>>` carries the sign along, which the mask takes away
    key = (key ^ ((key >> 30) & 0x3FFFFFFFF)) * _FIRST
    key = (key ^ ((key >> 27) & 0x1FFFFFFFFF)) * _SECOND
    return key ^ ((key >> 31) & 0x1FFFFFFFF)


def _normals(key: Int[Tensor, "..."], like: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent standard normals from every key, by Box and Muller from 32 bits each."""
    bits = _hash(key)
    u, v = ((half & 0xFFFFFFFF).to(like.dtype) + 0.5 for half in (bits >> 32, bits))
    radius, angle = (-2 * (u / 2**32).log()).clamp_min(0).sqrt(), v * (2 * math.pi / 2**32)
    return radius * angle.cos(), radius * angle.sin()


class _Place(NamedTuple):
    """The path at one time for every coordinate: W, and the integral of W from the start."""

    value: Tensor
    integral: Tensor


@dataclass(frozen=True)
class BrownianPath:
    r"""A virtual Brownian tree with space-time Levy area: one path per coordinate, whatever the steps are.

    Between the ends of an interval of length l with (W, H), the halves have

    .. math:: W_{1,2} &= \tfrac12 (W \pm D), \quad D = 3H + \tfrac{\sqrt l}2 \xi \qquad
              H_{1,2} = \tfrac12(S \pm T), \quad S = 2H - \tfrac12 D, \quad T = \sqrt{\tfrac l{12}}\,\zeta

    with independent standard normals, drawn by hashing (seed, coordinate, interval): nothing is stored, a solver with
    steps half as long sees the same path refined, and every row may ask for times of its own. Derived: from the halves,
    H = (H1 + H2)/2 + (W1 - W2)/4; given H, D has the mean 3H and the variance l/4, and H1 - H2 is independent of both.

    After `depth` halvings the path goes on as the parabola that is its mean there,
    :math:`\theta W + 6\theta(1 - \theta) H`; times on the grid of (stop - start) / 2^depth are exact, and any other
    increment lacks at most 2^-depth (stop - start) / 8 of its variance. A query costs `depth` hashes per coordinate, so
    where no path is to be kept, draws from a generator are cheaper.

    Source: Jelincic, Foster & Kidger, Single-seed generation of Brownian paths and integrals for adaptive and high
        order SDE solvers (2024), https://arxiv.org/abs/2405.06464; Steele, Lea & Flood, Fast splittable pseudorandom
        number generators (2014), the hash.

    Args:
        seed: Which path.
        start: First time, finite.
        stop: Last time, > start.
        depth: Halvings, 1 to 40.

    Shapes: `x` `[B, *E]` or a mapping of such (rows and leaves are told apart by position), `s`, `t` `[B]` within
        [start, stop]; outside, the path is NaN, which no reader can overlook and no check has to wait for.
    Raises: `InvalidInput` at construction for arguments out of range.

    Example:
        >>> path, x = BrownianPath(seed=0), torch.zeros(1, 1)
        >>> now, half, then = (torch.full((1,), t) for t in (0.0, 0.5, 1.0))
        >>> parts = path.increment(x, now, half).change + path.increment(x, half, then).change
        >>> bool((parts - path.increment(x, now, then).change).abs() < 1e-6)
        True
    """

    seed: int = 0
    start: float = 0.0
    stop: float = 1.0
    depth: int = 18

    def __post_init__(self) -> None:
        require(
            -math.inf < self.start < self.stop < math.inf,
            f"start={self.start} and stop={self.stop}, expected finite times with start < stop",
        )
        require(1 <= self.depth <= 40, f"depth={self.depth}, expected a whole number from 1 to 40")

    def increment(self, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"]) -> Increment:
        """W_t - W_s and the space-time Levy area between `s` and `t`, shaped like `x`; s > t is allowed."""
        found = [self._increment(leaf, s, t, number) for number, leaf in enumerate(leaves(x))]
        if isinstance(x, Tensor):
            return Increment(*found[0])
        changes, areas = ({name: part[i] for name, part in zip(x, found, strict=True)} for i in (0, 1))
        return Increment(changes, areas)

    def _increment(self, x: Tensor, s: Tensor, t: Tensor, leaf: int) -> tuple[Tensor, Tensor]:
        # areas are differences of integrals, which cancel: double where the device has it
        dtype = torch.float32 if x.device.type == "mps" else torch.float64
        both, keys = torch.cat([s, t]).detach().to(dtype), self._keys(x, leaf)
        place = self._at(both, torch.cat([keys, keys]))
        here, there = (_Place(*parts) for parts in zip(*(part.chunk(2) for part in place), strict=True))
        h = align(both[len(s) :] - both[: len(s)], here.value)
        mean = (there.integral - here.integral) / torch.where(h == 0, 1.0, h)
        area = torch.where(h == 0, 0.0, mean - 0.5 * (here.value + there.value))
        return like(there.value - here.value, x), like(area, x)

    def _keys(self, x: Tensor, leaf: int) -> Int[Tensor, "b *e"]:
        """A key for every coordinate of every row."""
        first = generator_from(self.seed, "brownian", leaf).initial_seed()
        count = torch.arange(x.numel(), device=x.device).reshape(x.shape)
        return _hash(count * _GOLDEN + first)

    def _at(self, t: Tensor, keys: Int[Tensor, "b *e"]) -> _Place:
        """The path at times `t`, by descent to the interval that holds them."""
        length = self.stop - self.start
        u = (t - self.start) / length
        u = torch.where((u < 0) | (u > 1), torch.nan, u)
        node = torch.ones_like(t, dtype=torch.int64)  # 1 is the whole, 2 n and 2 n + 1 are the halves of n
        w, a = (scale * z for scale, z in zip(self._scales(length), _normals(keys, t), strict=True))
        value, integral = torch.zeros_like(w), torch.zeros_like(w)
        for _ in range(self.depth):
            xi, zeta = _normals(keys + align(node * _GOLDEN, keys), t)
            d = 3 * a + 0.5 * length**0.5 * xi
            both, gap = 2 * a - 0.5 * d, (length / 12) ** 0.5 * zeta
            length *= 0.5
            right = u >= 0.5
            later, sign = align(right, w), align(1 - 2 * right.to(w.dtype), w)
            first, bend = 0.5 * (w + d), 0.5 * (both + gap)
            integral = torch.where(later, integral + length * (value + 0.5 * first + bend), integral)
            value = torch.where(later, value + first, value)
            w, a = 0.5 * (w + sign * d), 0.5 * (both + sign * gap)
            u, node = 2 * u - right.to(u.dtype), 2 * node + right
        u = align(u, w)
        end = value + u * w + 6 * u * (1 - u) * a
        return _Place(end, integral + length * (u * value + 0.5 * u**2 * w + u**2 * (3 - 2 * u) * a))

    @staticmethod
    def _scales(length: float) -> tuple[float, float]:
        """Standard deviations of W and H over an interval."""
        return length**0.5, (length / 12) ** 0.5
