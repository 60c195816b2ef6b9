"""Many short texts: DNA, proteins, molecules, lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pushforward.core import nearest, require
from pushforward.data.batches import Arrays
from pushforward.data.dataset import Dataset, random_split
from pushforward.data.loaders.texts import fasta, found, read_csv, read_text
from pushforward.data.tokenisers import Characters, Tokeniser

__all__ = ["Sequences"]

_TABLES = (".csv", ".csv.gz")
_FASTA = tuple(name + end for name in (".fasta", ".fa", ".fna", ".faa") for end in ("", ".gz"))
_LINES = (".txt", ".txt.gz")


@dataclass(frozen=True)
class Sequences:
    """A column of texts of a csv, the entries of a FASTA file, or the lines of a txt (all also gzipped), as symbols.

    Args:
        path: The file, as it is or below `$PUSHFORWARD_DATA`.
        column: Of the texts (csv).
        tokeniser: Text to symbols, such as `DNA()`; padded `Characters` that are found in the texts unless it says
            which.
        length: Symbols of a row; that of the longest text if None. Shorter texts are padded, where the tokeniser is.
        longer: What becomes of texts of more symbols: "refuse" them, "cut" them, or "drop" them.
        labels: Column or columns to condition on (csv). The values that occur, or combinations of them, are the classes
            0, 1, ... in sorted order.
        only: Columns and the values that their rows must have (csv), as `{"organism": ["ecoli", "bacillus"]}`.
        split: Column that says `train` or `test` (csv); rows that say something else are left out. At random if None.
        test_fraction: Share held out at random, in (0, 1).
        seed: Of the random split.

    Raises: `InvalidInput` for a missing or empty file, fewer than two rows, unknown columns (with the nearest), texts
        with symbols that the tokeniser does not know, or of lengths that do not fit.
    """

    path: str
    column: str = "sequence"
    tokeniser: Tokeniser = field(default_factory=lambda: Characters(padded=True))
    length: int | None = None
    longer: Literal["refuse", "cut", "drop"] = "refuse"
    labels: str | Sequence[str] | None = None
    only: Mapping[str, str | int | Sequence[str | int]] | None = None
    split: str | None = None
    test_fraction: float = 0.1
    seed: int = 0

    def load(self) -> Dataset:
        """Reads, picks, numbers, splits."""
        path = found(self.path)
        texts, columns = self._read(path)
        tokeniser = self.tokeniser.fitted(texts)
        x, kept = self._numbers(texts, tokeniser)
        columns = {name: [values[k] for k in kept] for name, values in columns.items()}
        labels, names = self._labels(columns)
        train, test = (
            Arrays(x[part], None if labels is None else labels[part]) for part in self._parts(columns, len(x))
        )
        return Dataset(
            train,
            test,
            classes=None if names is None else len(names),
            class_names=names,
            name=path.name.partition(".")[0],
            tokeniser=tokeniser,
        )

    def _read(self, path: Path) -> tuple[list[str], dict[str, list[str]]]:
        """Texts, and what the other columns say of them."""
        name = path.name.lower()
        table = name.endswith(_TABLES)
        require(
            table or name.endswith((*_FASTA, *_LINES)),
            f"{self.path} is of no known kind, expected {', '.join((*_TABLES, *_FASTA, *_LINES))}",
        )
        require(
            table or (self.labels, self.only, self.split) == (None, None, None),
            f"labels, only and split name columns of a csv, and {path.name} has none; leave them out",
        )
        if table:
            return self._from_frame(read_csv(path))
        text = read_text(path)
        rows = list(fasta(text)) if name.endswith(_FASTA) else [line for line in text.split("\n") if line]
        require(len(rows) >= 2, f"{self.path} has {len(rows)} sequence(s), expected at least 2")
        return rows, {}

    def _from_frame(self, frame: Any) -> tuple[list[str], dict[str, list[str]]]:
        known, only = list(frame.columns), dict(self.only or {})
        for column in (self.column, *self._by, *only, *([self.split] if self.split else [])):
            require(column in known, f"{self.path} has no column {column!r}; {nearest(column, known)}")
        for column, values in only.items():
            wanted = [str(value) for value in ([values] if isinstance(values, (str, int)) else values)]
            for value in wanted:
                have = sorted(set(frame[column]))[:20]
                require(value in have, f"column {column!r} of {self.path} never says {value!r}; {nearest(value, have)}")
            frame = frame[frame[column].isin(wanted)]
        require(len(frame) >= 2, f"{self.path} has {len(frame)} row(s) to take, expected at least 2")
        return list(frame[self.column]), {name: list(frame[name]) for name in known if name != self.column}

    def _numbers(self, texts: list[str], tokeniser: Tokeniser) -> tuple[Tensor, list[int]]:
        """Rows of symbols, and which texts they are."""
        rows, length = list(range(len(texts))), self.length
        if length is not None and self.longer == "cut":
            texts = ["".join(tokeniser.split(text)[:length]) for text in texts]
        if length is not None and self.longer == "drop":
            rows = [n for n in rows if len(tokeniser.split(texts[n])) <= length]
            require(len(rows) >= 2, f"{self.path} has {len(rows)} text(s) of at most {length} symbols, expected 2")
        return tokeniser.encode([texts[n] for n in rows], length), rows

    def _labels(self, columns: Mapping[str, list[str]]) -> tuple[Tensor | None, tuple[str, ...] | None]:
        """The class of every row, and what the classes are called."""
        if not self._by:
            return None, None
        said = [" ".join(values) for values in zip(*(columns[name] for name in self._by), strict=True)]
        names = tuple(sorted(set(said)))
        return torch.tensor([names.index(value) for value in said]), names

    def _parts(self, columns: Mapping[str, list[str]], n: int) -> tuple[Tensor, Tensor]:
        """Row numbers to learn from, and to be judged by."""
        if self.split is None:
            return random_split(n, self.test_fraction, self.seed)
        train, test = (
            torch.tensor([k for k, word in enumerate(columns[self.split]) if word == part], dtype=torch.int64)
            for part in ("train", "test")
        )
        have = ", ".join(sorted(set(columns[self.split]))[:5])
        require(
            len(train) > 0 and len(test) > 0,
            f"column {self.split!r} of {self.path} says {have}, expected train and test; leave split out for a random "
            "one",
        )
        return train, test

    @property
    def _by(self) -> tuple[str, ...]:
        return (self.labels,) if isinstance(self.labels, str) else tuple(self.labels or ())
