"""Full state of a run on disk, such that a killed run resumes to the same bits.

A checkpoint is two files, `step-00000500.safetensors` with every tensor and `step-00000500.json` with the numbers and
the tensors' checksum. The second is written last: without it the first does not count.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from pushforward import __version__
from pushforward.core import InvalidInput, require
from pushforward.training.atomic import atomic_write
from pushforward.training.weights import read_tensors, write_tensors

__all__ = ["Checkpoint", "complete_steps", "load_checkpoint", "save_checkpoint"]


class Checkpoint(NamedTuple):
    """State after `step` updates: `tensors` by name, and `record`, the plain numbers beside them."""

    step: int
    tensors: dict[str, Tensor]
    record: dict[str, Any]
    path: Path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensor_file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.safetensors"


def _sidecars(folder: Path) -> dict[int, dict[str, Any]]:
    """Readable sidecars by step, oldest first; a torn one is as good as none."""
    found = {}
    for path in sorted(folder.glob("step-*.json")):
        try:
            sidecar = json.loads(path.read_bytes())
            found[int(sidecar["step"])] = sidecar
        except (ValueError, KeyError, TypeError):
            continue
    return dict(sorted(found.items()))


def complete_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in `folder` that were written to the end, oldest first."""
    return list(_sidecars(folder))


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], record: Mapping[str, Any], *, keep: int
) -> None:
    """Write the state after `step` updates, then drop all but the newest `keep` checkpoints.

    Args:
        folder: The run's `checkpoint` folder; made when missing.
        step: Updates made.
        tensors: Everything to resume from, by name.
        record: Plain numbers to keep beside them (seed, best validation, ...), as JSON.
        keep: Number of checkpoints that stay, >= 1.

    Raises: `InvalidInput` when the disk is full or not writable; earlier checkpoints are then untouched.
    """
    path = _tensor_file(folder, step)
    write_tensors(path, tensors)
    sidecar = {"step": step, "sha256": _digest(path), "version": __version__, **record}
    atomic_write(path.with_suffix(".json"), json.dumps(sidecar, indent=1).encode())
    _prune(folder, {_tensor_file(folder, kept).stem for kept in complete_steps(folder)[-keep:]})


def _prune(folder: Path, kept: set[str]) -> None:
    # sidecars first: a kill in between must not leave one that promises tensors
    for pattern in ("step-*.json", "step-*.safetensors", ".step-*.tmp"):
        for path in folder.glob(pattern):
            if path.stem not in kept:
                path.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint of a folder, or None when there is none.

    Raises: `InvalidInput` when its tensors are missing or not those that were written.
    """
    sidecars = _sidecars(folder)
    if not sidecars:
        return None
    step, sidecar = sidecars.popitem()
    path = _tensor_file(folder, step)
    earlier = f"resume from step {list(sidecars)[-1]}" if sidecars else "start again from step 0"
    remedy = f"delete {path.with_suffix('.json')} to {earlier}"
    require(path.is_file(), f"{path} is missing, though its checkpoint was complete; {remedy}")
    require(_digest(path) == sidecar.get("sha256"), f"{path} is damaged (its checksum does not match); {remedy}")
    try:
        return Checkpoint(step, read_tensors(path), sidecar, path)
    except InvalidInput as error:  # right bytes that do not parse: another program's file
        raise InvalidInput(f"{path} cannot be read as safetensors; {remedy}") from error
