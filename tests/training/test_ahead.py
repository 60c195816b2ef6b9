import multiprocessing
import os
import signal
import time

import pytest
import torch

from pushforward.core import InvalidInput, Pairs, RunFailed
from pushforward.training import ahead
from pushforward.training.ahead import BLOCK_STEPS, TRIAL, _worth, threads


def make(step):
    x = torch.full((4, 2), float(step))
    return Pairs((x, {"a": x + 1, "b": x[:, 0]}), cond=torch.arange(4) + step, weight=x[:, 0])


def everything(make, steps, workers=None):
    with ahead(make, steps, workers) as batches:
        return list(batches)


def same(p, q):
    return all(
        torch.equal(a, b)
        for a, b in zip(
            (p.x0, p.x1["a"], p.x1["b"], p.cond, p.weight), (q.x0, q.x1["a"], q.x1["b"], q.cond, q.weight), strict=True
        )
    )


@pytest.mark.parametrize("workers", [0, 1, 2, None])
def test_order_and_results_do_not_depend_on_the_workers(workers):
    steps = range(5, 5 + 3 * BLOCK_STEPS + 7)
    got = everything(make, steps, workers)
    assert len(got) == len(steps)
    assert all(same(pairs, make(step)) for pairs, step in zip(got, steps, strict=True))
    assert everything(make, range(3, 3), workers) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_at_its_turn_and_as_it_was(workers):
    def broken(step):
        if step == 20:
            raise InvalidInput("row 3 is bad")
        return make(step)

    got = []
    with pytest.raises(InvalidInput, match=r"^row 3 is bad$"), ahead(broken, range(40), workers) as batches:
        got.extend(int(pairs.x0[0, 0]) for pairs in batches)
    assert got == list(range(20))


def test_an_error_that_cannot_travel_is_told():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    def broken(step):
        if step == 3:
            raise Odd("lost", 2)
        return make(step)

    with pytest.raises(Odd):
        everything(broken, range(4), 0)
    with pytest.raises(RunFailed, match="Odd: lost"):
        everything(broken, range(4), 1)


def test_slow_batches_are_moved_to_a_process_once_they_are_measured():
    def slow(step):
        time.sleep(0.01)
        return make(step)._replace(cond=torch.tensor([os.getpid()] * 4))

    with ahead(slow, range(400)) as batches:
        makers = [int(next(batches).cond[0]) for _ in range(TRIAL + 3)]
    assert makers[:TRIAL] == [os.getpid()] * TRIAL
    # with one core there is nobody to hand them to
    assert (os.getpid() not in makers[TRIAL:]) == (len(os.sched_getaffinity(0)) > 1)


def test_what_pays():
    cores = len(os.sched_getaffinity(0))
    assert _worth([(1e-4, 1e-3)] * TRIAL, 1, 10**6) == 0  # cheap beside the step
    assert _worth([(1e-3, 1e-3)] * TRIAL, 1, 100) == 0  # over before a process has begun
    assert _worth([(1e-3, 1e-3)] * (TRIAL - 1) + [(9.0, 1e-3)], 1, 10**4) == min(
        1, cores - 1
    )  # one slow batch is chance
    assert _worth([(1.0, 1e-3)] * TRIAL, 1, 10**4) == cores - 1


def test_leaving_early_ends_the_processes():
    before = set(multiprocessing.active_children())
    with ahead(make, range(10**6), 2) as batches:
        next(batches)
        assert len(set(multiprocessing.active_children()) - before) == 2
    deadline = time.monotonic() + 10
    while set(multiprocessing.active_children()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(multiprocessing.active_children()) - before


def test_the_death_of_a_process_is_told_with_what_to_do():
    parent = os.getpid()

    def mortal(step):
        if step == 40 and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return make(step)

    with pytest.raises(RunFailed, match=r"set training\.workers to 0"):
        everything(mortal, range(100), 1)


def test_sums_round_alike_here_and_there():
    x = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))

    def product(step):
        assert torch.get_num_threads() == 1
        return Pairs((x @ x, x))

    with threads(2):
        here, there = (everything(product, range(3), workers) for workers in (0, 1))
        assert torch.get_num_threads() == 2
    assert all(torch.equal(a.x0, b.x0) for a, b in zip(here, there, strict=True))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    everything(make, range(20), 1)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
