"""Laws of the two times between which a flow map is trained."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen

__all__ = ["Interval", "Intervals", "joined"]


class Interval(NamedTuple):
    """From `s` to `t` >= s, `[B]`; in the first `still` rows s = t, there the network learns the velocity."""

    s: Float[Tensor, " b"]
    t: Float[Tensor, " b"]
    still: int


@runtime_checkable
class Intervals(Protocol):
    """A law of intervals."""

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Interval:
        """Draws for `size` rows, with the device of `like`."""
        ...


def joined(s: Tensor, t: Tensor, share: float) -> Interval:
    """The first `share` of the rows shrunk to their starts: rows are drawn independently, so that any will do."""
    still = round(share * len(s))
    return Interval(s, torch.cat([s[:still], t[still:]]), still)
