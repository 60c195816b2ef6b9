"""What a run leaves for its readers: `metrics.jsonl` and TensorBoard's `events/`."""

import json
from pathlib import Path
from typing import Any

from pushforward.core import require
from pushforward.training.atomic import atomic_write

__all__ = ["Logger", "require_places"]

Record = dict[str, Any]


def require_places(folder: Path) -> tuple[Path, Path]:
    """Where lines and events go in a run folder; `InvalidInput` when something else is there."""
    path, events = folder / "metrics.jsonl", folder / "events"
    taken = "move it away, or choose another folder"
    require(path.is_file() or not path.exists(), f"{path} is no file, expected the lines of a run; {taken}")
    require(events.is_dir() or not events.exists(), f"{events} is no folder, TensorBoard's files go there; {taken}")
    return path, events


class Logger:
    """Appends one JSON object a line, mirrors it to TensorBoard, and keeps the history in memory.

    A line has `step` and either the metrics of the steps since the line before (`loss`, `terms`, `learning_rate`,
    `gradient_norm`, `steps_per_second`, `seconds`) or a `validation_loss`.

    Args:
        folder: The run folder; None keeps the history only.
        start: Updates already made: later lines, of a run that died, are dropped.

    Raises: `InvalidInput` when something else has the place of `metrics.jsonl` or `events/`, or the disk refuses.
    """

    def __init__(self, folder: Path | None, start: int) -> None:
        self.history: list[Record] = []
        self._file = self._events = None
        if folder is None:
            return
        path, events = require_places(folder)
        if path.exists():
            self.history = [r for r in _records(path) if r["step"] <= start]
        # rewritten even when new, so that a run without checkpoints cannot append to an older run's lines
        atomic_write(path, "".join(json.dumps(r) + "\n" for r in self.history).encode())
        from torch.utils.tensorboard import SummaryWriter

        self._file = path.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(events), purge_step=start + 1 if start else None)

    def write(self, step: int, record: Record) -> None:
        """Add a line for `step`."""
        record = {"step": step, **record}
        self.history.append(record)
        if self._file is None or self._events is None:
            return
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        terms = record.get("terms", {})
        flat = {name: value for name, value in record.items() if name not in ("step", "terms")}
        for name, value in (flat | {f"terms/{k}": v for k, v in terms.items()}).items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Bring everything to disk."""
        if self._file is not None and self._events is not None:
            self._file.close()
            self._events.close()


def _records(path: Path) -> list[Record]:
    """The lines that say their step; a killed process leaves half a line, a damaged disk worse."""
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and type(record.get("step")) is int:
            records.append(record)
    return records
