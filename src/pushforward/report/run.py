"""Reading a run folder: every part but `config.yaml` may be missing, none may be broken."""

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import yaml

from pushforward.config import build
from pushforward.core import InvalidInput, Space, require
from pushforward.report.arrays import is_image

__all__ = ["Run", "load_run", "part_name", "quoted"]


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Args:
        path: The folder.
        text: `config.yaml` as written.
        config: The same, read.
        history: Lines of `metrics.jsonl` by step; those of one step (training, validation) together.
        metrics: `metrics.json`; empty before an evaluation.
        frame: What `model.safetensors` says of the data: `shape`, `columns`, `class_names`, ...; empty without a model.
    """

    path: Path
    text: str
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]
    frame: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def samples(self) -> Mapping[str, np.ndarray] | None:
        """Arrays of `samples.npz`, `x` among them, read when first asked for; None before sampling."""
        return _read(self.path / "samples.npz", _samples, None)

    @property
    def name(self) -> str:
        """The recipe's name, or the folder's where no recipe was named."""
        return str(self.config.get("recipe") or self.path.resolve().name)

    @property
    def size(self) -> int | None:
        """Numbers in a sample; None before sampling."""
        return None if self.samples is None else math.prod(self.samples["x"].shape[1:])

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Image shape of flat samples, when `data.flat` says that they are square images in a row; else None."""
        data = self.config.get("data")
        if self.size is None or not isinstance(data, Mapping) or data.get("flat") is not True:
            return None
        shapes = ((channels, side, side) for channels in (1, 3) for side in [math.isqrt(self.size // channels)])
        return next((shape for shape in shapes if math.prod(shape) == self.size and is_image(shape)), None)

    @property
    def space(self) -> Any:
        """Where the path says that samples live; None where it says nothing, or what this version does not know."""
        path = self.config.get("path")
        spec = path.get("space") if isinstance(path, Mapping) else None
        try:
            return None if spec is None else build(spec, Space, "path.space")
        except InvalidInput:
            return None

    @property
    def symbols(self) -> bool:
        """Whether samples are rows of symbols."""
        return self.frame.get("vocab") is not None

    @property
    def columns(self) -> list[str] | None:
        """Names of all columns where the data had them, else None."""
        columns = self.frame.get("columns")
        return [str(name) for name in columns] if columns and len(columns) == self.size else None

    @property
    def class_names(self) -> list[str] | None:
        """What the labels 0, 1, ... mean where the data said so, else None."""
        return [str(name) for name in self.frame.get("class_names") or ()] or None


def part_name(part: Any) -> str:
    """A part of a configuration in a word: its type.

    Example:
        >>> part_name({"type": "Heun", "order": 2}), part_name("moons"), part_name(None)
        ('Heun', 'moons', '')
    """
    if isinstance(part, Mapping):
        return str(part.get("type") or part.get("name") or part.get("path") or "")
    return "" if part is None else str(part)


def quoted(run: Run, file: str = "") -> str:
    """The run's folder, or a file in it, for the shell, as seen from the folder above."""
    return shlex.quote(str(Path(run.path.resolve().name, file)))


def _config(path: Path) -> tuple[str, Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    require(isinstance(config, Mapping), f"{path} holds no mapping of keys; restore the config.yaml that train wrote")
    return text, config


def _history(path: Path) -> list[Mapping[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows: dict[int, Mapping[str, Any]] = {}
    for i, line in enumerate(lines):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            if i == len(lines) - 1:  # a killed run may leave half a line
                break
            raise InvalidInput(f"{path} line {i + 1} is no JSON object; remove that line") from None
        known = isinstance(row, dict) and isinstance(row.get("step"), int)
        require(known, f"{path} line {i + 1} has no step; remove that line")
        rows[row["step"]] = {**rows.get(row["step"], {}), **row}
    return [rows[step] for step in sorted(rows)]


def _metrics(path: Path) -> Mapping[str, Any]:
    metrics = json.loads(path.read_text(encoding="utf-8"))
    require(isinstance(metrics, dict), f"{path} holds no mapping of names to figures; run evaluate again")
    return metrics


def _samples(path: Path) -> Mapping[str, np.ndarray]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # numpy leaves a damaged one open
        samples = dict(file)
    require(
        "x" in samples, f"{path} holds {', '.join(sorted(samples)) or 'nothing'}, expected an array x; sample again"
    )
    x = samples["x"]
    require(x.ndim >= 1 and len(x) > 0, f"{path}: x has shape {list(x.shape)}, expected rows [N, ...]; sample again")
    for name in samples.keys() & {"x", "real", "source", "trajectory", "times"}:
        require(samples[name].dtype.kind in "biuf", f"{path}: {name} is {samples[name].dtype}, expected numbers")
    for name in samples.keys() & {"real", "source"}:
        like = samples[name].shape
        require(like[1:] == x.shape[1:], f"{path}: {name} has shape {list(like)}, x {list(x.shape)}; sample again")
    return samples


def _frame(path: Path) -> Mapping[str, Any]:
    """The frame of the data in a model's header; the weights stay unread, and so does who wrote them."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            frame = json.loads((stored.metadata() or {}).get("frame", "{}"))
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    names = [frame.get(key) or [] for key in ("columns", "class_names")] if isinstance(frame, dict) else [None]
    require(all(isinstance(name, list) for name in names), f"{path} has a damaged header; restore it or train again")
    return frame


def _read(path: Path, reader: Callable[[Path], Any], default: Any) -> Any:
    """What `reader` finds, `default` where there is no file; a broken file is a sentence."""
    if not path.exists():
        return default
    try:
        return reader(path)
    except InvalidInput:
        raise
    except (OSError, ValueError, yaml.YAMLError, BadZipFile, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInput(f"{path} cannot be read ({reason}); write it again or remove it") from error


def load_run(path: Path) -> Run:
    """The run in folder `path`.

    Raises: `InvalidInput` when it is no run folder, or one of its files is broken (`samples` when first asked for).
    """
    require(path.is_dir(), f"there is no run folder {path}; give the folder that train wrote")
    require(
        (path / "config.yaml").is_file(), f"{path} has no config.yaml, so it is no run folder; give one train wrote"
    )
    text, config = _read(path / "config.yaml", _config, None)
    return Run(
        path=path,
        text=text,
        config=config,
        history=_read(path / "metrics.jsonl", _history, []),
        metrics=_read(path / "metrics.json", _metrics, {}),
        frame=_read(path / "model.safetensors", _frame, {}),
    )
