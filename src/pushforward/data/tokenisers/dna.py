"""The four bases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from pushforward.data.tokenisers.base import decoded, encoded

__all__ = ["DNA"]

BASES = tuple("ACGT")


@dataclass(frozen=True)
class DNA:
    """A, C, G, T as 0 to 3.

    Nothing else is known: N and the other letters of uncertain bases, U, and lower case (which marks repeats in many
    files) are refused, as whoever reads them must say what they mean.

    Args:
        padded: Whether there is a padding, number 4, so that sequences may differ in length.

    Example:
        >>> DNA().encode(["GATTACA"])
        tensor([[2, 0, 3, 3, 0, 1, 0]])
    """

    padded: bool = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """The bases."""
        return BASES

    @property
    def padding(self) -> int | None:
        """4, or None."""
        return len(BASES) if self.padded else None

    @property
    def vocab(self) -> int:
        """4, or 5 with the padding."""
        return len(BASES) + self.padded

    def fitted(self, texts: Iterable[str]) -> "DNA":
        """The same: bases are known."""
        return self

    def split(self, text: str) -> list[str]:
        """Its bases."""
        return list(text)

    def encode(self, texts: Sequence[str], length: int | None = None) -> Int[Tensor, "n length"]:
        """Numbers of the bases."""
        return encoded(self, texts, length)

    def decode(self, x: Tensor) -> list[str]:
        """The sequences."""
        return decoded(self, x)
