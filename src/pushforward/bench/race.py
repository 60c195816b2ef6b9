"""Several contestants on one machine, in turns."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import TypeVar

import torch

__all__ = ["race", "threads"]

K = TypeVar("K")


def race(
    contestants: Mapping[K, Callable[[int], object]],
    *,
    steps: int,
    repeats: int,
    clock: Callable[[], float] | None = None,
) -> dict[K, float]:
    """Steps per second of each: the median over `repeats` turns of `steps` steps.

    The turns interleave (A B A B ...), so that whatever slows the machine for a while slows all; a first turn of each
    is not counted.

    Args:
        contestants: Called with a number of steps to make.
        steps: Of a turn, >= 1.
        repeats: Turns that count, >= 1.
        clock: Seconds; `time.perf_counter` if left out. `time.process_time` counts the work of this process alone, so
            other processes disturb it less; it is only fair between contestants of one thread.

    Example:
        >>> list(race({"a": lambda steps: None, "b": lambda steps: None}, steps=1, repeats=3))
        ['a', 'b']
    """
    clock = clock or time.perf_counter
    seconds: dict[K, list[float]] = {name: [] for name in contestants}
    for go in contestants.values():
        go(max(1, steps // 5))
    for _ in range(repeats):
        for name, go in contestants.items():
            started = clock()
            go(steps)
            seconds[name].append(clock() - started)
    return {name: steps / median(turns) for name, turns in seconds.items()}


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads for torch's operators inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
