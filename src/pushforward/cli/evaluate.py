"""`pushforward evaluate`."""

import json
from dataclasses import replace
from pathlib import Path

from pushforward.cli.output import command, say, table
from pushforward.cli.record import record
from pushforward.flow import Flow, evaluate
from pushforward.training import atomic_write

__all__ = ["run"]


def run(folder: Path, n: int | None) -> None:
    """Measure, print the table, write metrics.json and samples.npz."""
    flow = Flow.load(folder)
    settings = flow.config.evaluation if n is None else replace(flow.config.evaluation, samples=n)
    evaluated = evaluate(flow, settings)
    found = evaluated.metrics
    atomic_write(folder / "metrics.json", (json.dumps(found, indent=2) + "\n").encode())
    record(flow, folder, evaluated)

    rows = []
    for name in found:
        floor = found.get(f"{name}_floor")
        if not name.endswith("_floor"):
            ratio = f"{found[name] / floor:.3f}" if floor else ""
            rows.append([name, f"{found[name]:.4f}", "" if floor is None else f"{floor:.4f}", ratio])
    title = f"{settings.samples} samples of {folder} against held-out data"
    table(title, ["metric", "value", "real data", "ratio"], rows)
    say(f"wrote {folder / 'metrics.json'}; next: {command('report', folder)}")
