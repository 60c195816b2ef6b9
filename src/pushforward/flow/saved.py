"""The model file of a run: averaged weights and units, with the frame of the data in its header."""

from pathlib import Path as File
from typing import cast

from torch import nn

from pushforward.core import InvalidInput, Objective, require
from pushforward.flow.frame import Frame
from pushforward.training import load_weights, save_weights

__all__ = ["load_model", "read_frame", "write_model"]


def _model(net: nn.Module, objective: Objective, frame: Frame) -> nn.ModuleDict:
    parts = {"net": net, "transform": cast(nn.Module, frame.transform)}
    return nn.ModuleDict(parts | ({"objective": objective} if isinstance(objective, nn.Module) else {}))


def write_model(file: File, net: nn.Module, objective: Objective, frame: Frame) -> None:
    """Write the weights of net and objective, the transform's tensors and the frame, atomically."""
    save_weights(file, _model(net, objective, frame), frame.written())


def read_frame(file: File) -> Frame:
    """The frame in a model file's header.

    Raises: `InvalidInput` when the file is missing, damaged (weights or frame), or no model of ours.
    """
    from safetensors import SafetensorError, safe_open

    require(file.is_file(), f"{file} does not exist; the run is not finished, resume or train it first")
    try:
        with safe_open(file, framework="pt") as stored:
            header = stored.metadata() or {}
            units = [name for name in stored.keys() if name.startswith("transform.")]  # noqa: SIM118 - no mapping
            tensors = {name.removeprefix("transform."): stored.get_tensor(name) for name in units}
    except SafetensorError as error:
        raise InvalidInput(f"{file} is damaged ({error}); restore it from a copy, or train again") from None
    require("frame" in header, f"{file} was not written by pushforward; use the model.safetensors of a run folder")
    try:
        return Frame.read(header, tensors)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(
            f"{file} is damaged (no frame in its header: {reason}); restore it from a copy, or train again"
        ) from None


def load_model(file: File, net: nn.Module, objective: Objective, frame: Frame) -> None:
    """Fill `net`, and an objective that has some, with the weights of a model file."""
    load_weights(file, _model(net, objective, frame))
