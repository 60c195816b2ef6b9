"""Files of text: where they are, and what they say."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pushforward.core import InvalidInput, require
from pushforward.data.loaders.extras import optional

__all__ = ["fasta", "found", "read_csv", "read_text"]


def found(path: str) -> Path:
    """The file at `path`, or there below `$PUSHFORWARD_DATA`.

    Raises: `InvalidInput` when there is none, or nothing is in it.
    """
    folder = os.environ.get("PUSHFORWARD_DATA")
    places = [Path(path).expanduser(), *([Path(folder) / path] if folder else [])]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        where = f"nor below {folder}" if folder else "and PUSHFORWARD_DATA names no folder to look in"
        raise InvalidInput(f"{path} is not a file, {where}; check the path")
    require(place.stat().st_size > 0, f"{path} is empty; give a file with text in it")
    return place


def read_text(path: Path) -> str:
    """The text of a file (also gzipped), UTF-8, lines ended by a newline alone."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return file.read()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as text: {error}; give a file in UTF-8, or save it again") from error


def read_csv(path: Path) -> Any:
    """A csv (also gzipped) as a frame of texts."""
    try:
        return optional("pandas", "reading tables").read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidInput(f"{path} cannot be read as a table: {reason}; mend the file or save it again") from error


def fasta(text: str) -> Iterator[str]:
    """The sequences of a FASTA file, their lines joined."""
    require(text.lstrip().startswith(">"), "a FASTA file begins with `>`, and the name of its first sequence")
    for entry in text.lstrip()[1:].split("\n>"):
        yield "".join(line.strip() for line in entry.split("\n")[1:])
