r"""Atoms, bonds, branches and rings of molecules written as SMILES."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Int
from torch import Tensor

from pushforward.core import InvalidInput
from pushforward.data.tokenisers.base import decoded, encoded, require_distinct, split_rows

__all__ = ["Smiles", "split_smiles"]

_PATTERN = re.compile(
    r"(\[[^\]]+\]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\(|\)|\.|=|#|-|\+|\\|/|:|~|@|\?|>|\*|\$|%[0-9]{2}|[0-9])"
)


def split_smiles(text: str) -> list[str]:
    """The symbols of one SMILES; joined, they are the text.

    Raises: `InvalidInput` for a character that begins no symbol, with its place.

    Example:
        >>> split_smiles("C[C@H](Br)C%10")
        ['C', '[C@H]', '(', 'Br', ')', 'C', '%10']
    """
    found = _PATTERN.findall(text)
    if "".join(found) == text:
        return found
    place = 0
    while match := _PATTERN.match(text, place):
        place = match.end()
    raise InvalidInput(
        f"{text!r} has {text[place]!r} at character {place} (counted from 0), where a symbol of SMILES begins; mend "
        "it, or leave it out"
    )


@dataclass(frozen=True)
class Smiles:
    """Atoms (in brackets, or of one or two letters), bonds, branches and ring numbers.

    Source: the pattern of Schwaller et al., "Found in Translation": predicting outcomes of complex organic chemistry
        reactions using neural sequence-to-sequence models (Chemical Science 2018), https://arxiv.org/abs/1711.04810.

    Args:
        symbols: What there is, each once; empty leaves them to `fitted`, which sorts what a corpus holds.
        padded: Whether there is a padding, so that molecules may differ in length.

    Raises: `InvalidInput` for a symbol that comes twice, or is none.

    Example:
        >>> molecules = Smiles().fitted(["CC(Br)=O", "c1ccccc1"])
        >>> molecules.symbols
        ('(', ')', '1', '=', 'Br', 'C', 'O', 'c')
        >>> molecules.decode(molecules.encode(["CC(Br)=O", "c1ccccc1"]))
        ['CC(Br)=O', 'c1ccccc1']
    """

    symbols: tuple[str, ...] = ()
    padded: bool = True

    def __post_init__(self) -> None:
        require_distinct("Smiles", self.symbols)
        for symbol in self.symbols:
            if split_smiles(symbol) != [symbol]:
                raise InvalidInput(f"Smiles got {symbol!r}, which is not one symbol; give them one by one")

    @property
    def padding(self) -> int | None:
        """The number after the last symbol's, or None."""
        return len(self.symbols) if self.padded else None

    @property
    def vocab(self) -> int:
        """Symbols, and the padding if there is one."""
        return len(self.symbols) + self.padded

    def fitted(self, texts: Iterable[str]) -> "Smiles":
        """With the symbols of `texts`, sorted, unless they are given."""
        if self.symbols:
            return self
        return replace(self, symbols=tuple(sorted(set().union(*split_rows(texts, split_smiles)))))

    def split(self, text: str) -> list[str]:
        """Its atoms, bonds, branches and ring numbers."""
        return split_smiles(text)

    def encode(self, texts: Sequence[str], length: int | None = None) -> Int[Tensor, "n length"]:
        """Numbers of the symbols."""
        return encoded(self, texts, length)

    def decode(self, x: Tensor) -> list[str]:
        """The molecules' texts, which need not be valid SMILES."""
        return decoded(self, x)
