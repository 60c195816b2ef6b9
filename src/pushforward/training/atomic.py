"""Files that are there whole or not at all, whatever kills the process."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pushforward.core import InvalidInput

__all__ = ["atomic_write"]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def atomic_write(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write a file so that readers, and a run after a power cut, see the old one or the new one.

    The bytes go to a temporary name in the same folder, reach the disk, and take the name in one step.

    Args:
        path: Where; its folder is made when missing.
        content: The bytes, or a function that writes them to the temporary path it is given.

    Raises: `InvalidInput` when the disk is full or not writable; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            content(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)  # else the new name itself may be lost
    except OSError as error:
        raise InvalidInput(
            f"cannot write {path}: {error.strerror or error}; make room there or choose another folder, then go on"
        ) from error
    finally:
        with suppress(OSError):  # renamed, or never there
            temporary.unlink()
