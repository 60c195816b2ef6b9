"""What spaces of flat coordinates share."""

from typing import Any, cast

from torch import Tensor

from pushforward.core import State, dot
from pushforward.spaces._radial import root, rows

__all__ = ["Flat"]


class Flat:
    """The metric of flat coordinates: vectors stay as they are wherever they go. The rest needs `log`."""

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Dot product `[B]`."""
        return dot(u, v)

    def log_volume(self, x: State) -> Tensor:
        """0: the coordinates are flat."""
        return rows(lambda p: p.new_zeros(p.shape[:1]), x)

    def distance(self, x: State, y: State) -> Tensor:
        """Length `[B]` of the logarithm; its derivative is 0 where the points meet."""
        w = cast(Any, self).log(x, y)
        return root(dot(w, w))

    def transport(self, x: State, y: State, u: State) -> State:
        """u."""
        return u
