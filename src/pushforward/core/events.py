"""Sequences of events in time."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core.errors import require

__all__ = ["Events"]


class Events(NamedTuple):
    """Sequences of events on a line of time, padded to one length, each watched from 0 to an end of its own.

    `gaps` `[B, L]` are the times since the event before (since 0 for the first), `number` `[B]` int64 says how many of
    them are real, and `rest` `[B]` is the time from the last event to the end of the watch. What stands in a padded gap
    never matters. `_asdict()` is the mapping that data sets hand out, and `Events(**mapping)` the way back.

    Example:
        >>> events = Events.at([[0.5, 2.0], [1.0]], end=3.0)
        >>> events.gaps, events.rest
        (tensor([[0.5000, 1.5000],
                [1.0000, 1.0000]]), tensor([1., 2.]))
    """

    gaps: Float[Tensor, "b length"]
    number: Int[Tensor, " b"]
    rest: Float[Tensor, " b"]

    @classmethod
    def at(cls, times: Sequence[Sequence[float]], *, end: float, length: int | None = None) -> "Events":
        """From increasing times in (0, end], one list a row; `length` pads further than the longest row."""
        longest = max([1, *map(len, times)])
        size = longest if length is None else length
        require(size >= longest, f"length is {length}, but a row has {longest} events; give a larger one")
        gaps = torch.ones(len(times), size, dtype=torch.float64)
        rest = torch.full((len(times),), float(end), dtype=torch.float64)
        for k, row in enumerate(times):
            t = torch.as_tensor(row, dtype=torch.float64)
            found = t.diff(prepend=t.new_zeros(1))
            require(
                bool((found > 0).all()) and (len(t) == 0 or float(t[-1]) <= end),
                f"the times of row {k} do not increase inside (0, {end}]; sort them, drop equal ones, or move the end",
            )
            gaps[k, : len(t)] = found
            rest[k] = end - found.sum()
        dtype = torch.get_default_dtype()
        return cls(gaps.to(dtype), torch.tensor([len(row) for row in times]), rest.clamp_min(0).to(dtype))

    @property
    def real(self) -> Tensor:
        """Which gaps end in an event `[B, L]`."""
        return torch.arange(self.gaps.shape[1], device=self.gaps.device) < self.number[:, None]

    @property
    def times(self) -> Tensor:
        """When the events were `[B, L]`; those of padded gaps are the last one's."""
        return torch.where(self.real, self.gaps, 0.0).cumsum(1)

    @property
    def end(self) -> Tensor:
        """How long every row was watched, `[B]`."""
        return self.times[:, -1] + self.rest
