"""The twenty amino acids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from pushforward.data.tokenisers.base import decoded, encoded

__all__ = ["Protein"]

RESIDUES = tuple("ACDEFGHIKLMNPQRSTVWY")


@dataclass(frozen=True)
class Protein:
    """The twenty amino acids of the standard code by their letters, in alphabetical order.

    The other letters of sequence files are refused: X, B, Z and J say that a residue is not known for sure, U and O are
    rare residues, `*` is a stop and `-` a gap. Leave such sequences out, or name what you keep with `Characters`.

    Args:
        padded: Whether there is a padding, number 20, so that sequences may differ in length.

    Example:
        >>> peptides = Protein()
        >>> peptides.decode(peptides.encode(["GLFDIVKKV", "KK"]))
        ['GLFDIVKKV', 'KK']
    """

    padded: bool = True

    @property
    def symbols(self) -> tuple[str, ...]:
        """The amino acids."""
        return RESIDUES

    @property
    def padding(self) -> int | None:
        """20, or None."""
        return len(RESIDUES) if self.padded else None

    @property
    def vocab(self) -> int:
        """21, or 20 without the padding."""
        return len(RESIDUES) + self.padded

    def fitted(self, texts: Iterable[str]) -> "Protein":
        """The same: amino acids are known."""
        return self

    def split(self, text: str) -> list[str]:
        """Its amino acids."""
        return list(text)

    def encode(self, texts: Sequence[str], length: int | None = None) -> Int[Tensor, "n length"]:
        """Numbers of the amino acids."""
        return encoded(self, texts, length)

    def decode(self, x: Tensor) -> list[str]:
        """The sequences."""
        return decoded(self, x)
