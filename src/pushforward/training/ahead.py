"""Batches prepared ahead of the step by other processes, where that pays."""

import math
import os
import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from multiprocessing import get_all_start_methods, get_context
from statistics import median
from threading import Thread
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pushforward.core import Pairs, RunFailed

__all__ = ["ahead", "threads"]

TRIAL = 12  # steps whose batches are made between the steps, and timed
SHARE = 0.15  # of a step: what making a batch may cost before a process is started for it
WORTH = 0.5  # seconds that it must save, on the steps that remain
BLOCK_STEPS, BLOCK_BYTES = 16, 2**22  # batches that travel together: small ones would cost more to hand over than make


@contextmanager
def ahead(
    make: Callable[[int], Pairs], steps: range, workers: int | None = None, *, span: int = 1
) -> Iterator[Iterator[Pairs]]:
    """Gives `make(step)` for every step, in order, by processes of their own where that saves time.

    Threads of one interpreter wait for each other at every operator: beside a small net's training step a second one
    gained nothing. So the first batches are made between the steps and timed; if that costs a good part of a step,
    copies of this process (by `fork`, as torch's DataLoader starts its own) take over. Everything is made on one thread
    of torch, here and there: what comes out depends on neither the number of workers nor the measurement.

    Args:
        make: A pure function of the step; its exception is raised when that step's turn comes.
        steps: Which steps, one after the other.
        workers: Processes; 0 makes every batch between the steps, None decides by measurement.
        span: Consecutive steps, from multiples of it on, whose batches are cheaper to make together.

    Leaving the block ends the processes.

    Raises: `RunFailed` when a process dies.

    Example:
        >>> pairs = Pairs((torch.zeros(2, 1), torch.ones(2, 1)))
        >>> with ahead(lambda step: pairs, range(3)) as batches:
        ...     [p.size for p in batches]
        [2, 2, 2]
    """
    with closing(_batches(make, steps, workers, span)) as batches:
        yield batches


def _batches(
    make: Callable[[int], Pairs], steps: range, workers: int | None, span: int
) -> Generator[Pairs, None, None]:
    timed: list[tuple[float, float]] = []  # making a batch, and the step that took it
    for done, step in enumerate(steps):
        if workers is None and len(timed) == TRIAL * span:
            workers = _worth(timed, span, len(steps) - done)
        if workers and "fork" in get_all_start_methods():
            yield from _elsewhere(make, steps[done:], workers, span)
            return
        begun = time.perf_counter()
        with threads(1):
            pairs = make(step)
        made = time.perf_counter()
        yield pairs
        timed.append((made - begun, time.perf_counter() - made))


def _worth(timed: Sequence[tuple[float, float]], span: int, left: int) -> int:
    """How many processes keep up with the steps; none where they would save little."""
    made, step = (
        median(sum(seconds[k : k + span]) / span for k in range(0, len(seconds), span))
        for seconds in zip(*timed, strict=True)
    )
    if made < SHARE * step or made * left < WORTH:
        return 0
    return min(math.ceil(made / step), len(os.sched_getaffinity(0)) - 1)


def _elsewhere(make: Callable[[int], Pairs], steps: range, workers: int, span: int) -> Generator[Pairs, None, None]:
    """The batches of `steps` from processes of their own."""
    with threads(1):
        sample = make(steps[0])
    found = _leaves(sample)
    if any(leaf.device.type != "cpu" for leaf in found):  # no process but this one can use its device
        yield from _batches(make, steps, 0, span)
        return
    size = max(1, min(BLOCK_STEPS, BLOCK_BYTES // max(1, sum(leaf.nbytes for leaf in found))))
    size = math.ceil(size / span) * span
    first = steps.start // size * size
    ends = range(first + size, steps.stop + size, size)
    blocks = deque(range(max(end - size, steps.start), min(end, steps.stop)) for end in ends)
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=_begin, initargs=(make, os.getpid()))
    waiting: deque[Future[_Block]] = deque()
    try:
        while blocks or waiting:
            while blocks and len(waiting) < 2 * workers + 1:
                waiting.append(pool.submit(_block, blocks.popleft()))
            number, columns, wrong = waiting.popleft().result()
            leaves = [torch.from_numpy(column).view(dtype) for dtype, column in columns]
            for k in range(number):
                rows = iter(leaves)
                yield sample.map(lambda _, k=k, rows=rows: next(rows)[k])
            if wrong is not None:
                raise wrong
    except BrokenProcessPool:
        raise RunFailed(
            "a process that prepares batches has died, perhaps for want of memory; "
            "set training.workers to 0 to do without"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


class _Block(NamedTuple):
    """So many batches, leaf by leaf stacked, as bytes; and what went wrong after them, if anything did."""

    number: int
    columns: list[tuple[torch.dtype, np.ndarray]]
    wrong: Exception | None


_make: Callable[[int], Pairs]  # in a process that `_begin` has begun


def _begin(make: Callable[[int], Pairs], parent: int) -> None:
    global _make  # noqa: PLW0603 - what a pool calls has no other way to it
    _make = make
    torch.set_num_threads(1)
    Thread(target=_outlive_nobody, args=(parent,), daemon=True).start()


def _outlive_nobody(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # the run was killed, and nobody else will end this process


def _block(steps: range) -> _Block:
    made: list[list[Tensor]] = []
    wrong = None
    try:
        for step in steps:
            made.append(_leaves(_make(step)))
    except Exception as error:  # raised in the other process, at its turn
        wrong = _portable(error)
    # as bytes, because numpy lacks some of torch's types; and not as tensors, which torch would send by shared memory,
    # of which containers have little
    stacked = [torch.stack(column) for column in zip(*made, strict=True)]
    return _Block(len(made), [(leaf.dtype, leaf.view(torch.uint8).numpy()) for leaf in stacked], wrong)


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RunFailed(f"{type(error).__name__}: {error}")
    return error


def _leaves(pairs: Pairs) -> list[Tensor]:
    found: list[Tensor] = []
    pairs.map(lambda leaf: found.append(leaf) or leaf)
    return found


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads for torch's operators inside the block: with another number sums may round differently."""
    before = torch.get_num_threads()
    if before != number:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        if before != number:
            torch.set_num_threads(before)
