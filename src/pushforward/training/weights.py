"""Tensors of a module by name, to and from safetensors; nothing is ever unpickled."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from pushforward.core import InvalidInput, require
from pushforward.training.atomic import atomic_write

__all__ = ["load_weights", "save_weights", "tensors_of"]


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name, tied ones once; they share the module's memory."""
    kept = module.state_dict().keys()
    named = chain(module.named_parameters(), module.named_buffers())
    return {name: tensor.detach() for name, tensor in named if name in kept}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically; raises `InvalidInput` when the disk refuses."""
    from safetensors.torch import save

    # as bytes: the library's own file writer leaves temporary files behind when it is killed
    own = {name: _own(tensor) for name, tensor in tensors.items()}
    atomic_write(path, save(own, metadata=dict(metadata or {})))


def _own(tensor: Tensor) -> Tensor:
    """On the CPU, in a storage of its own: the format refuses slices of a shared one."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; raises `InvalidInput` when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require(path.is_file(), f"{path} does not exist; check the run folder, or train first")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InvalidInput(f"{path} is damaged ({error}); restore it from a copy, or train again") from error


def fill(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy `tensors` (read from `path`) into `targets`; raises `InvalidInput` unless names and shapes agree."""
    only = sorted(targets.keys() ^ tensors.keys())
    if only:
        where = "the file" if only[0] in tensors else "this model"
        raise InvalidInput(
            f"{path} is of another model: only {where} has {only[0]!r}; use the configuration it came from"
        )
    for name, target in targets.items():
        got, expected = list(tensors[name].shape), list(target.shape)
        require(
            got == expected,
            f"{path} is of another model: {name!r} has shape {got}, expected {expected}; "
            "use the configuration it came from",
        )
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])


def save_weights(path: Path, module: nn.Module, metadata: Mapping[str, str] | None = None) -> None:
    """Write a module's weights as safetensors, atomically.

    Args:
        path: File to write.
        module: Whose parameters and persistent buffers.
        metadata: Short texts to keep with them.

    Raises: `InvalidInput` when the disk is full or not writable.
    """
    write_tensors(path, tensors_of(module), metadata)


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill `module` with the weights of a file, in place, keeping its device and dtype.

    Raises: `InvalidInput` when the file is missing, damaged, or of another model.
    """
    fill(tensors_of(module), read_tensors(path), path)
