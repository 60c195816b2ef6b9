import threading
import time
from contextlib import closing

import pytest

from pushforward.training import prefetch


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_order_and_results_do_not_depend_on_depth(depth):
    assert list(prefetch(lambda k: k * k, range(5, 25), depth)) == [k * k for k in range(5, 25)]
    assert list(prefetch(lambda k: k, range(3, 3), depth)) == []


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_comes_at_its_turn(depth):
    def make(step):
        if step == 3:
            raise ValueError("bad row")
        return step

    batches = prefetch(make, range(10), depth)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="bad row"):
        next(batches)


def test_it_works_ahead_but_not_further_than_depth():
    made = []
    with closing(prefetch(lambda k: made.append((k, threading.current_thread())), range(100), 4)) as batches:
        next(batches)
        deadline = time.monotonic() + 10
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)  # a worker that did not stop would go on now
        assert [k for k, _ in made] == [0, 1, 2, 3, 4]
        assert threading.main_thread() not in {thread for _, thread in made}


def test_leaving_early_ends_the_worker():
    made, gate = [], threading.Event()

    def make(step):
        made.append(step)
        assert step == 0 or gate.wait(10)

    with closing(prefetch(make, range(10**6), 8)) as batches:
        next(batches)
        threading.Timer(0.1, gate.set).start()  # while the iterator is being closed
    assert made in ([0], [0, 1])  # what had begun was finished, what had not was dropped
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())
