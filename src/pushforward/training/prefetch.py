"""Batches prepared ahead of the step by a worker thread."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

T = TypeVar("T")


def prefetch(make: Callable[[int], T], steps: range, depth: int) -> Generator[T, None, None]:
    """`make(step)` for every step, in order, with up to `depth` results ready before they are asked for.

    Torch and compiled couplings release the interpreter while they compute, so a thread overlaps them with the
    training step and no batch is copied between processes. What comes out does not depend on `depth`.

    Args:
        make: A pure function of the step; its exception is raised when that step's turn comes.
        steps: Which steps.
        depth: How far ahead, >= 0; 0 computes in the caller's thread.

    Close the iterator (`contextlib.closing`) when leaving early: it cancels what has not begun.

    Example:
        >>> list(prefetch(lambda step: step**2, range(4), depth=2))
        [0, 1, 4, 9]
    """
    if depth == 0:
        yield from map(make, steps)
        return
    worker = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    ready: deque[Future[T]] = deque()
    try:
        for step in steps:
            ready.append(worker.submit(make, step))
            if len(ready) > depth:
                yield ready.popleft().result()
        while ready:
            yield ready.popleft().result()
    finally:
        worker.shutdown(cancel_futures=True)
