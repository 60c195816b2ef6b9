"""Pieces of one long text."""

import torch
from jaxtyping import Integer
from torch import Tensor

from pushforward.core import generator_from, require

__all__ = ["Windows"]


class Windows:
    """Stretches of one row of symbols, cut where they are asked for: no more memory than the row itself.

    To learn from, windows begin anywhere, all beginnings alike. For `take`, the row is cut into pieces one after the
    other, so that no symbol is counted twice; what is left over at the end is in none of them.

    Args:
        text: Symbols `[N]`, in any integer dtype; handed out as int64.
        length: L, of a window.

    Shapes: batches `[B, L]` int64, without conditions.
    Raises: `InvalidInput` for a text that is shorter than a window.

    Example:
        >>> windows = Windows(torch.arange(10), 4)
        >>> windows.take(5)[0]
        tensor([[0, 1, 2, 3],
                [4, 5, 6, 7]])
        >>> windows.batch(700, 3, seed=0)[0].shape
        torch.Size([3, 4])
    """

    def __init__(self, text: Integer[Tensor, " n"], length: int) -> None:
        require(length >= 1, f"windows have {length} symbols, expected at least 1")
        require(
            text.ndim == 1 and not text.is_floating_point() and len(text) >= length,
            f"got {text.dtype} of shape {list(text.shape)}, expected at least {length} symbols [N], the length of one "
            "window; give a longer text, or shorter windows",
        )
        self.text, self.length = text, length

    def __len__(self) -> int:
        """Pieces, one after the other."""
        return len(self.text) // self.length

    def batch(self, step: int, size: int, *, seed: int) -> tuple[Tensor, None]:
        """`size` windows of step `step`."""
        require(size >= 1, f"batch size is {size}, expected at least 1")
        generator = generator_from(seed, "windows", step)
        return self._cut(torch.randint(len(self.text) - self.length + 1, (size,), generator=generator))

    def take(self, n: int, seed: int = 0) -> tuple[Tensor, None]:
        """`n` pieces that do not overlap, or all of them in their own order when `n >= len(self)`."""
        pieces = torch.arange(len(self))
        if n < len(self):
            pieces = torch.randperm(len(self), generator=generator_from(seed, "take"))[:n]
        return self._cut(pieces * self.length)

    def _cut(self, first: Tensor) -> tuple[Tensor, None]:
        places = first[:, None] + torch.arange(self.length)
        return self.text[places.to(self.text.device)].long(), None
