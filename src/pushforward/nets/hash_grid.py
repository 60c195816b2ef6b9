"""A network with a memory for places: tables on grids of many widths."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, require
from pushforward.nets.embeddings import ConditionEmbedding
from pushforward.nets.inputs import check_events, check_sizes, widened

__all__ = ["HashGrid"]

PRIMES = (1, 2654435761, 805459861, 3674653429)
WAVES = 3  # octaves of log (1 - t)
SCALE = 10.0  # what is read from the tables, whose entries start small
EARLY = 1e-4  # least 1 - t that the network is told


class HashGrid(nn.Module):
    r"""Learned tables, read at the corners of grids of ever finer cells, before a small network.

    .. math:: \phi_l(x) = g_l(t) \sum_{c \in \{0, 1\}^d} w_c\, T_l\big[h(\lfloor N_l y \rfloor + c)\big], \qquad
              h(k) = \Big(\bigoplus_i k_i p_i\Big) \bmod 2^m, \qquad g_l(t) = \frac{1}{1 + (N_l (1 - t))^2}

    with y in [0, 1]^d the place of x between `low` and `high`, N_l in geometric progression, and w the weights of the
    corners, smooth steps 3 r^2 - 2 r^3 of the place within the cell, so that answers have a derivative. The network,
    `depth` layers of `width`, sees x, all phi and the time, as t and as log (1 - t) with three octaves of it.

    For fields over few coordinates with structure on many scales, which a plain network takes a hundred times as many
    steps to learn: a row of data teaches its own neighbourhood, and no other. The gate g (1 at cells much wider than
    1 - t) closes fine cells while x_t still blurs them, as there is nothing to be learned there but noise.

    Source: Mueller, Evans, Schied & Keller, Instant Neural Graphics Primitives with a Multiresolution Hash Encoding
        (SIGGRAPH 2022), https://arxiv.org/abs/2201.05989. Differs: the gate, and every level is hashed.

    Args:
        shape: Event shape, `(d,)` with d at most 4.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        outputs: Quantities that the head asks for, side by side.
        levels: Number of grids, >= 1.
        coarsest: Cells along a side of the first grid.
        finest: Cells along a side of the last one.
        entries: m; each table has 2^m entries, which cells share where there are more of them.
        channels: Numbers in an entry.
        low: Lower end of the box, for every coordinate; states outside share the tables of other places.
        high: Upper end.
        width: Units of a hidden layer.
        depth: Number of hidden layers, >= 1.

    Shapes: `x` `[B, d]`, `t` `[B]`; gives `[B, outputs d]`.
    Raises: `InvalidInput` for sizes out of range and states of another shape.

    Example:
        >>> HashGrid((3,), levels=4, finest=64)(torch.zeros(5, 3), torch.zeros(5)).shape
        torch.Size([5, 3])
    """

    cells: Tensor
    corners: Tensor
    primes: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        outputs: int = 1,
        levels: int = 10,
        coarsest: int = 8,
        finest: int = 2048,
        entries: int = 15,
        channels: int = 2,
        low: float = -1.0,
        high: float = 1.0,
        width: int = 128,
        depth: int = 3,
    ) -> None:
        super().__init__()
        sizes = {"levels": levels, "coarsest": coarsest, "channels": channels, "width": width, "depth": depth}
        self.shape = check_sizes("HashGrid", shape, outputs=outputs, **sizes)
        require(
            len(self.shape) == 1 and self.shape[0] <= len(PRIMES),
            f"HashGrid got shape={list(self.shape)}, expected one axis of at most {len(PRIMES)} coordinates; tables of "
            "places do not pay where there are more",
        )
        require(finest >= coarsest, f"HashGrid got finest={finest} below coarsest={coarsest}")
        require(1 <= entries <= 24, f"HashGrid got entries={entries}, expected an exponent of 2 from 1 to 24")
        require(high > low, f"HashGrid got the box from {low} to {high}, expected low < high")
        (d,), self.answer = self.shape, widened(self.shape, outputs)
        self.low, self.high, self.entries = low, high, 2**entries
        growth = (finest / coarsest) ** (torch.arange(levels) / max(levels - 1, 1))
        self.register_buffer("cells", (coarsest * growth).round(), persistent=False)
        corners = torch.cartesian_prod(*[torch.arange(2)] * d).reshape(-1, d)
        self.register_buffer("corners", corners, persistent=False)
        self.register_buffer("primes", torch.tensor(PRIMES[:d]), persistent=False)
        self.table = nn.Parameter(torch.empty(levels * self.entries, channels).uniform_(-1e-2, 1e-2))
        self.first = nn.Linear(d + levels * channels + 2 + 2 * WAVES, width)
        self.rest = nn.Sequential(
            *[layer for _ in range(depth - 1) for layer in (nn.SiLU(), nn.Linear(width, width))],
            nn.SiLU(),
            nn.Linear(width, outputs * d),
        )
        self.condition = ConditionEmbedding(width, classes=classes, features=features)

    def _read(self, x: Tensor) -> Tensor:
        """What the tables hold about `x`: `[B, levels, channels]`."""
        place = (x[:, None] - self.low) / (self.high - self.low) * self.cells.to(x.dtype)[:, None]
        cell = place.detach().floor()
        rest = place - cell
        rest = (rest * rest * (3 - 2 * rest))[:, :, None]
        weight = torch.where(self.corners.bool(), rest, 1 - rest).prod(-1, keepdim=True)
        key = ((cell.long()[:, :, None] + self.corners) * self.primes).unbind(-1)
        mixed = key[0]
        for other in key[1:]:
            mixed = mixed ^ other
        level = torch.arange(len(self.cells), device=x.device)[:, None] * self.entries
        return (weight * nn.functional.embedding((mixed & (self.entries - 1)) + level, self.table)).sum(2)

    def forward(
        self, x: Float[Tensor, "b *e"], t: Float[Tensor, "b *times"], cond: Cond = None
    ) -> Float[Tensor, "b *a"]:
        """The network's answer."""
        check_events(x, t, self.shape)
        left = (1 - t).to(x.dtype)[:, None]
        gate = 1 / (1 + (left * self.cells.to(x.dtype)).square())
        seen = SCALE * gate[..., None] * self._read(x)
        late = left.clamp_min(EARLY).log() / math.log(EARLY)
        waves = [wave(math.pi * 2**k * late) for k in range(WAVES) for wave in (torch.sin, torch.cos)]
        h = self.first(torch.cat([x, seen.flatten(1), 1 - left, late, *waves], 1))
        return self.rest(self.condition(h, cond)).reshape(len(x), *self.answer)
