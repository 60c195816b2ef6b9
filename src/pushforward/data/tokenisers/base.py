"""What a tokeniser is, and the numbering that all of them share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["Tokeniser", "decoded", "encoded", "require_distinct", "split_rows"]


@runtime_checkable
class Tokeniser(Protocol):
    """A map from texts to rows of numbers `[N, L]` that can be undone: `decode(encode(texts)) == list(texts)`.

    Symbols are numbered from 0 in their order. Where texts may differ in length (`padded`) one more follows, the
    padding, which fills a row up to its end.
    """

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the numbers 0, 1, ... stand for, the padding left out."""
        ...

    @property
    def padding(self) -> int | None:
        """The number of the padding, None where there is none."""
        ...

    @property
    def vocab(self) -> int:
        """How many numbers there are, the padding included."""
        ...

    def fitted(self, texts: Iterable[str]) -> "Tokeniser":
        """One that knows the symbols of `texts`, where the symbols were left to be found; the same one otherwise."""
        ...

    def split(self, text: str) -> Sequence[str]:
        """The symbols of one text; joined, they are the text."""
        ...

    def encode(self, texts: Sequence[str], length: int | None = None) -> Tensor:
        """Rows `[N, length]` int64; as long as the longest text if None.

        Raises: `InvalidInput` for symbols that it does not know (with row and place), for texts that are longer than
            `length`, and for shorter ones where there is no padding.
        """
        ...

    def decode(self, x: Tensor) -> list[str]:
        """Texts of rows `[N, L]`, each up to its first padding.

        Raises: `InvalidInput` for numbers that stand for nothing, such as a mask.
        """
        ...


def require_distinct(name: str, symbols: Sequence[str]) -> None:
    """`InvalidInput` unless all symbols are different."""
    twice = [symbol for k, symbol in enumerate(symbols) if symbol in symbols[:k]]
    require(not twice, f"{name} has {twice[:1]} twice; give every symbol once")


def split_rows(texts: Iterable[str], split: Callable[[str], Sequence[str]]) -> list[Sequence[str]]:
    """The symbols of every text; an error names its row."""
    rows: list[Sequence[str]] = []
    for n, text in enumerate(texts):
        try:
            rows.append(split(text))
        except InvalidInput as error:
            raise InvalidInput(f"row {n} (counted from 0): {error}") from None
    return rows


def encoded(tokeniser: Tokeniser, texts: Sequence[str], length: int | None) -> Int[Tensor, "n length"]:
    """Rows of the numbers of the symbols of each text."""
    name, padding = type(tokeniser).__name__, tokeniser.padding
    require(
        len(tokeniser.symbols) > 0,
        f"{name} knows no symbols yet; give them, or find them with {name}().fitted(texts)",
    )
    require(
        not isinstance(texts, str) and len(texts) > 0,
        f"{name} got {texts!r}, expected a list of texts; write [text] for one",
    )
    rows = split_rows(texts, tokeniser.split)
    lengths = torch.tensor([len(row) for row in rows])
    length = int(lengths.max()) if length is None else length
    for n in (lengths > length).nonzero()[:1, 0].tolist():
        raise InvalidInput(
            f"{name} got {lengths[n]} symbols at row {n} (counted from 0), expected at most {length}; cut such "
            "texts, or leave them out"
        )
    for n in (lengths < length).nonzero()[:1, 0].tolist() if padding is None else []:
        raise InvalidInput(
            f"{name} got {lengths[n]} symbols at row {n} (counted from 0), expected {length}; give texts of one "
            f"length, or pad them with {name}(..., padded=True)"
        )
    numbers = {symbol: k for k, symbol in enumerate(tokeniser.symbols)}
    try:
        flat = [numbers[symbol] for row in rows for symbol in row]
    except KeyError:
        n, row = next((n, row) for n, row in enumerate(rows) if not numbers.keys() >= set(row))
        place = next(k for k, symbol in enumerate(row) if symbol not in numbers)
        raise InvalidInput(
            f"{name} does not know {row[place]!r} at row {n}, symbol {place} (counted from 0); mend or leave out that "
            "text, or give a tokeniser with that symbol"
        ) from None
    x = torch.full((len(rows), length), padding or 0)
    x[torch.arange(length) < lengths[:, None]] = torch.tensor(flat, dtype=torch.int64)
    return x


def decoded(tokeniser: Tokeniser, x: Tensor) -> list[str]:
    """The texts that rows of numbers stand for."""
    name, symbols, padding = type(tokeniser).__name__, tokeniser.symbols, tokeniser.padding
    require(
        x.ndim == 2 and not x.is_floating_point(),
        f"{name} got {x.dtype} of shape {list(x.shape)}, expected whole numbers [N, L]; use x[None] for one row",
    )
    for row, place in ((x < 0) | (x >= tokeniser.vocab)).nonzero()[:1].tolist():
        raise InvalidInput(
            f"{name} has no symbol {int(x[row, place])}, found at row {row}, symbol {place} (counted from 0), expected "
            f"0 to {tokeniser.vocab - 1}; a mask is no symbol of data"
        )
    texts: list[str] = []
    for row in x.tolist():
        end = row.index(padding) if padding in row else len(row)
        texts.append("".join(symbols[number] for number in row[:end]))
    return texts
