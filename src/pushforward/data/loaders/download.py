"""Files from the public sources of data sets: kept in a cache, checked by their sums, written atomically."""

import hashlib
import os
import tempfile
import urllib.request
import zipfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

import numpy as np

from pushforward.core import InvalidInput

__all__ = ["download", "local_arrays"]

_CHUNK = 1 << 20


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def download(url: str, md5: str, folder: str, *, instead: str) -> Path:
    """The file at `url`, fetched once into `folder` of the cache.

    The cache is `$PUSHFORWARD_CACHE`, or `~/.cache/pushforward`. A file gets its name there only after its checksum
    was found right, so an interrupted download leaves nothing behind that looks whole.

    Args:
        url: Where it is.
        md5: What the official file sums to, hexadecimal.
        folder: Name of the data set's folder in the cache.
        instead: A file that would serve, relative to `$PUSHFORWARD_DATA`; for the message.

    Raises: `InvalidInput` when the source cannot be reached or what came is not the official file.
    """
    home = Path(os.environ.get("PUSHFORWARD_CACHE") or Path.home() / ".cache" / "pushforward") / folder
    path = home / url.rpartition("/")[2]
    if path.exists() and _md5(path) == md5:
        return path
    advice = f"set PUSHFORWARD_DATA to a folder with {instead}"
    part = None
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home, prefix=path.name, suffix=".part", delete=False) as file:
            part = Path(file.name)
            with urllib.request.urlopen(url, timeout=30) as answer:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
        if (found := _md5(part)) != md5:
            raise InvalidInput(
                f"{url} has md5 {found}, expected {md5}: the download is damaged; try again, or {advice}"
            )
        part.replace(path)
    except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
        raise InvalidInput(f"{path.name} is not in {home} and {url} gave: {error}; {advice}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return path


def local_arrays(names: Sequence[str], keys: Sequence[str]) -> tuple[str, list[np.ndarray]] | None:
    """Stem and arrays `keys` of the first of the files `names` that exists below `$PUSHFORWARD_DATA`, or None."""
    folder = os.environ.get("PUSHFORWARD_DATA")
    paths = [Path(folder) / name for name in names] if folder else []
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return path.stem, [file[key] for key in keys]
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{path} cannot be read ({error}); expected an npz with {', '.join(keys)}") from error
