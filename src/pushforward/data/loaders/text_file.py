"""One long text."""

from dataclasses import dataclass, field

import torch

from pushforward.data.checks import require_fraction
from pushforward.data.dataset import Dataset
from pushforward.data.loaders.texts import found, read_text
from pushforward.data.tokenisers import Characters, Tokeniser
from pushforward.data.windows import Windows

__all__ = ["TextFile"]


@dataclass(frozen=True)
class TextFile:
    """Windows of one text (also gzipped), as symbols: its beginning to learn from, its end to be judged by.

    Symbols are found in the whole text, so that none of those held out is unknown.

    Args:
        path: The file, as it is or below `$PUSHFORWARD_DATA`.
        length: Symbols of a window.
        test_fraction: Share held out at the end, in (0, 1).
        tokeniser: Text to symbols; `Characters` that are found in the text unless it says which.

    Raises: `InvalidInput` for a missing or empty file, text that is not UTF-8, one that is shorter than two windows, or
        with symbols that the tokeniser does not know.
    """

    path: str
    length: int = 128
    test_fraction: float = 0.1
    tokeniser: Tokeniser = field(default_factory=Characters)

    def load(self) -> Dataset:
        """Reads, numbers, splits."""
        require_fraction(self.test_fraction)
        path = found(self.path)
        text = read_text(path)
        tokeniser = self.tokeniser.fitted([text])
        symbols = tokeniser.encode([text])[0].to(torch.uint8 if tokeniser.vocab <= 256 else torch.int32)
        held = round(len(symbols) * self.test_fraction)
        train, test = symbols[: len(symbols) - held], symbols[len(symbols) - held :]
        name = path.name.partition(".")[0]
        return Dataset(Windows(train, self.length), Windows(test, self.length), tokeniser=tokeniser, name=name)
