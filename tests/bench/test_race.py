import time

import pytest
import torch

from pushforward.bench.race import race, threads


def test_turns_interleave_and_the_first_of_each_does_not_count():
    turns = []
    contestants = {name: lambda steps, name=name: turns.append((name, steps)) for name in "ab"}
    race(contestants, steps=10, repeats=2)
    assert turns == [("a", 2), ("b", 2), ("a", 10), ("b", 10), ("a", 10), ("b", 10)]


def test_the_rate_is_that_of_the_median_turn(monkeypatch):
    clock = [0.0]
    seconds = iter([9.0, 2.0, 5.0, 0.1])  # the first is the turn that does not count
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def go(steps):
        clock[0] += next(seconds)

    assert race({"a": go}, steps=10, repeats=3) == {"a": 5.0}


def test_threads_are_put_back():
    before = torch.get_num_threads()

    def fail():
        with threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before
