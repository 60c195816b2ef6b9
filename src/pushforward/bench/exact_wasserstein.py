"""The exact distance between two large sets of points: time, memory and value."""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pushforward.bench.couplings_exact import clouds
from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.metrics import wasserstein

__all__ = ["ExactWasserstein"]

_LEAST = 0.1  # MB: what fits into memory that the process held before is not told apart


class _Turn(NamedTuple):
    """What one process measured: seconds, megabytes above the start, and the squared distance."""

    seconds: float
    megabytes: float
    value: float


@dataclass(frozen=True)
class ExactWasserstein:
    """W_2^2 of normal noise and 8 Gaussians in the plane, every turn in a process of its own (for its peak).

    POT is called as its users call it, with its limit of iterations raised: `dist` in float64, then `emd2`. Imports and
    compilation come before the clock, of CPU time, starts. Memory needs Linux, elsewhere it is not reported.

    Args:
        points: Of each set.
        repeats: Turns of each, in turns, each on points of its own.
    """

    points: int = 10_000
    repeats: int = 3

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Medians of seconds and megabytes, ratios, and the largest relative difference of the values."""
        case = f"exact W2, n {self.points}, d 2, 1 thread, {self.repeats} turns"
        job.say(f"couplings: {case}")
        entrants = {"ours": "wasserstein", **({"pot": "emd2"} if "pot" in job.peers else {})}
        turns: dict[str, list[_Turn]] = {source: [] for source in entrants}
        for seed in range(self.repeats):
            for source in entrants:
                turns[source].append(_alone(source, self.points, seed))
        rows = []
        for source, method in entrants.items():
            for metric, unit, values in (
                ("time", "s", [turn.seconds for turn in turns[source]]),
                ("peak_memory", "MB", [turn.megabytes for turn in turns[source]]),
            ):
                rows.append(Result("couplings", case, method, metric, median(values), unit, None, source))
        if "pot" in entrants:
            ours, theirs = turns["ours"], turns["pot"]
            name = "wasserstein over emd2 of pot"
            for metric, unit, value in (
                ("speedup", "x", median(t.seconds for t in theirs) / median(t.seconds for t in ours)),
                ("memory_ratio", "x", median(t.megabytes for t in theirs) / median(t.megabytes for t in ours)),
                ("difference", "", max(abs(a.value / b.value - 1) for a, b in zip(ours, theirs, strict=True))),
            ):
                rows.append(Result("couplings", case, name, metric, value, unit, None, "ours"))
        yield [row for row in rows if row.value == row.value]


def _alone(source: str, points: int, seed: int) -> _Turn:
    """One turn, in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_turn, source, points, seed).result()


def _turn(source: str, points: int, seed: int) -> _Turn:
    torch.set_num_threads(1)
    solve = {"ours": _ours, "pot": _pot}[source]
    solve(*clouds(600, 2, seed))  # imports, and compiles
    x, y = clouds(points, 2, seed)
    before = _peak(reset=True)
    started = time.process_time()
    value = solve(x, y)
    return _Turn(time.process_time() - started, max(_peak() - before, _LEAST), value)


def _ours(x: Tensor, y: Tensor) -> float:
    return wasserstein(x, y) ** 2


def _pot(x: Tensor, y: Tensor) -> float:
    import ot

    value: Any = ot.emd2([], [], ot.dist(x.double().numpy(), y.double().numpy()), numItermax=10**9)
    return float(value)


def _peak(*, reset: bool = False) -> float:
    """Greatest resident memory of this process, in MB, since it was last reset; NaN where the system does not say."""
    if sys.platform != "linux":
        return float("nan")
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
