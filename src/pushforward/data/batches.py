"""Where batches come from: rows in memory, or fresh draws. Both are pure functions of (step, size, seed)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from pushforward.core import Cond, Gen, State, batch_size, generator_from, leaves, map_state, require
from pushforward.core import take as take_rows
from pushforward.data.checks import require_finite

__all__ = ["Arrays", "Batches", "Distribution", "Stream"]


@runtime_checkable
class Batches(Protocol):
    """A source of batches without a position: asking for step 700 needs nobody to have asked for 0 to 699.

    This is what lets a resumed run see the batches of an uninterrupted one with no loader state in the checkpoint.
    """

    def batch(self, step: int, size: int, *, seed: int) -> tuple[State, Cond]:
        """`size` rows `[B, *E]` and their conditions: a pure function of the arguments."""
        ...

    def take(self, n: int, seed: int = 0) -> tuple[State, Cond]:
        """`n` rows for evaluation (all there are, when there are fewer): a pure function of the arguments."""
        ...


@runtime_checkable
class Distribution(Protocol):
    """Anything that can be drawn from: `[n, *E]`, or `([n, *E], condition)`."""

    def sample(self, n: int, *, generator: Gen = None) -> Tensor | tuple[Tensor, Tensor]:
        """`n` independent draws."""
        ...


Rows = Tensor | np.ndarray | Mapping[str, Tensor | np.ndarray]


def _tensor(value: Tensor | np.ndarray) -> Tensor:
    # torch refuses arrays with negative strides and warns of read-only ones: those are copied, others shared
    x = torch.as_tensor(np.require(value, requirements=["C", "W"]) if isinstance(value, np.ndarray) else value)
    # the small integers of files and arrays become int64, as states and labels are; bytes are pixels and stay small
    return x.long() if not x.is_floating_point() and x.dtype != torch.uint8 else x


def _state(value: Rows) -> State:
    return {name: _tensor(leaf) for name, leaf in value.items()} if isinstance(value, Mapping) else _tensor(value)


def _hand_out(x: State) -> State:
    return map_state(lambda leaf: leaf.to(torch.get_default_dtype()) if leaf.dtype == torch.uint8 else leaf, x)


def _check_condition(cond: State) -> None:
    if isinstance(cond, Tensor):
        shape = list(cond.shape)
        if cond.is_floating_point():
            require(cond.ndim >= 2, f"cond is a vector condition of shape {shape}, expected [N, F]; use cond[:, None]")
        else:
            require(cond.ndim == 1, f"labels have shape {shape}, expected [N]; use cond.squeeze(1) or a float cond")


class Arrays:
    r"""Rows in memory, visited epoch by epoch, each epoch in a permutation that depends on (seed, epoch) alone.

    Batch k holds positions `[k * size, (k + 1) * size)` of the endless concatenation of the epochs' permutations, so
    every row comes once per epoch whatever the batch size, and a batch may cross from one epoch into the next. Two
    `Arrays` of the same length, asked with the same seed, keep their rows together; ask with two seeds for
    independent rows.

    Args:
        x: Rows `[N, *E]`, finite: a tensor, an array, or a mapping of them. Device and dtype are kept, but for two
            cases: small integers become int64, and bytes (pixels) stay bytes in memory and are handed out as floats.
        cond: Labels `[N]` (any integer dtype), vectors `[N, F]`, or a mapping; travels with the rows.

    Example:
        >>> rows = Arrays(torch.arange(5.0)[:, None])
        >>> sorted(torch.cat([rows.batch(k, 2, seed=0)[0] for k in range(5)])[:, 0].tolist())
        [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    """

    def __init__(self, x: Rows, cond: Rows | None = None) -> None:
        self.x = _state(x)
        self.cond = None if cond is None else _state(cond)
        for leaf in leaves(self.x):
            require(leaf.ndim >= 1 and len(leaf) > 0, f"x has shape {list(leaf.shape)}, expected [N, *E] with N >= 1")
            require_finite(leaf, "x")
        parts = leaves(self.x) + ([] if self.cond is None else leaves(self.cond))
        sizes = [len(leaf) for leaf in parts]
        require(len(set(sizes)) == 1, f"x and cond have {sizes} rows, expected the same number everywhere")
        if self.cond is not None:
            _check_condition(self.cond)
        self._visited: tuple[tuple[int, int], Tensor] | None = None  # the last permutation: one randperm per epoch

    def __len__(self) -> int:
        return batch_size(self.x)

    def _permutation(self, seed: int, epoch: int) -> Tensor:
        visited = self._visited
        if visited is None or visited[0] != (seed, epoch):
            order = torch.randperm(len(self), generator=generator_from(seed, "epoch", epoch))
            visited = (seed, epoch), order.to(leaves(self.x)[0].device)
            self._visited = visited
        return visited[1]

    def _segments(self, start: int, stop: int, seed: int) -> Iterator[Tensor]:
        while start < stop:
            epoch, offset = divmod(start, len(self))
            segment = self._permutation(seed, epoch)[offset : offset + stop - start]
            yield segment
            start += len(segment)

    def batch(self, step: int, size: int, *, seed: int) -> tuple[State, Cond]:
        """Rows and conditions of batch `step`; `size` may exceed N."""
        require(size >= 1, f"batch size is {size}, expected at least 1")
        segments = list(self._segments(step * size, (step + 1) * size, seed))
        return self._rows(segments[0] if len(segments) == 1 else torch.cat(segments))

    def take(self, n: int, seed: int = 0) -> tuple[State, Cond]:
        """`n` distinct rows, or all of them in their own order when `n >= N`."""
        if n >= len(self):
            return _hand_out(self.x), self.cond
        order = torch.randperm(len(self), generator=generator_from(seed, "take"))[:n]
        return self._rows(order.to(leaves(self.x)[0].device))

    def _rows(self, index: Tensor) -> tuple[State, Cond]:
        return _hand_out(take_rows(self.x, index)), take_rows(self.cond, index)


@dataclass(frozen=True)
class Stream:
    """Fresh draws at every step, from a generator that depends on seed and step alone.

    Args:
        distribution: Its `sample(n, generator=g)` gives independent rows `[n, *E]`, or rows and their conditions.
        steps: Consecutive batches that are drawn in one call, >= 1: small batches cost less so. Use 1 where the rows of
            a draw depend on each other (a stratified grid).

    Example:
        >>> x, cond = Stream(pf.data.Moons()).batch(7, 4, seed=0)
        >>> x.shape, cond
        (torch.Size([4, 2]), None)
    """

    distribution: Distribution
    steps: int = 16
    _latest: dict[str, tuple[tuple[int, int, int], tuple[State, Cond]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"steps is {self.steps}, expected at least 1")

    def batch(self, step: int, size: int, *, seed: int) -> tuple[State, Cond]:
        """Draws of step `step`."""
        block, place = divmod(step, self.steps)
        asked = (block, size, seed)
        found = self._latest.get("draw")  # one look: other threads may ask for other steps
        if found is None or found[0] != asked:
            found = asked, self._draw(self.steps * size, generator_from(seed, "data", block))
            self._latest["draw"] = found
        rows = slice(place * size, (place + 1) * size)
        x, cond = found[1]
        return map_state(lambda leaf: leaf[rows], x), map_state(lambda leaf: leaf[rows], cond)

    def take(self, n: int, seed: int = 0) -> tuple[State, Cond]:
        """`n` draws that no training step sees."""
        return self._draw(n, generator_from(seed, "take"))

    def _draw(self, n: int, generator: torch.Generator) -> tuple[State, Cond]:
        rows = self.distribution.sample(n, generator=generator)
        return rows if isinstance(rows, tuple) else (rows, None)
