"""One symbol for every character."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Int
from torch import Tensor

from pushforward.data.tokenisers.base import decoded, encoded, require_distinct

__all__ = ["Characters"]


@dataclass(frozen=True)
class Characters:
    """Characters of an alphabet, each by its place in it.

    Args:
        alphabet: The characters, each once; empty leaves them to `fitted`, which sorts what a text holds.
        padded: Whether there is a padding, so that texts may differ in length.

    Raises: `InvalidInput` for a character that comes twice.

    Example:
        >>> letters = Characters("abc", padded=True)
        >>> letters.encode(["cab", "a"])
        tensor([[2, 0, 1],
                [0, 3, 3]])
        >>> letters.decode(letters.encode(["cab", "a"]))
        ['cab', 'a']
        >>> Characters().fitted(["hello"]).alphabet
        'ehlo'
    """

    alphabet: str = ""
    padded: bool = False

    def __post_init__(self) -> None:
        require_distinct("Characters", self.alphabet)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The characters; none before they are found."""
        return tuple(self.alphabet)

    @property
    def padding(self) -> int | None:
        """The number after the last character's, or None."""
        return len(self.alphabet) if self.padded else None

    @property
    def vocab(self) -> int:
        """Characters, and the padding if there is one."""
        return len(self.alphabet) + self.padded

    def fitted(self, texts: Iterable[str]) -> "Characters":
        """With the characters of `texts`, sorted, unless an alphabet is given."""
        return self if self.alphabet else replace(self, alphabet="".join(sorted(set().union(*texts))))

    def split(self, text: str) -> list[str]:
        """Its characters."""
        return list(text)

    def encode(self, texts: Sequence[str], length: int | None = None) -> Int[Tensor, "n length"]:
        """Numbers of the characters."""
        return encoded(self, texts, length)

    def decode(self, x: Tensor) -> list[str]:
        """The texts."""
        return decoded(self, x)
