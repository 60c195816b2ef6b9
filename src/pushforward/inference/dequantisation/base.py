"""What a dequantisation is."""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from pushforward.core import Gen

__all__ = ["Dequantisation", "Draws"]


class Draws(NamedTuple):
    """Points `y` `[B, *E]` in the cells of their rows, and log q(y | x) `[B]`, in nats."""

    y: Tensor
    log_q: Tensor


@runtime_checkable
class Dequantisation(Protocol):
    """A law q(y | x) on the cell around x, which is 2 `half` wide along every coordinate."""

    def __call__(self, x: Tensor, half: float, *, generator: Gen = None) -> Draws:
        """One draw for every row; `x` `[B, *E]` are the middles of the cells."""
        ...
