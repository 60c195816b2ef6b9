"""Suites so small that they measure nothing, for tests of what they write."""

from typing import NamedTuple

import pytest

from pushforward.bench import SUITES, Budgets, Result


class Stub(NamedTuple):
    """A suite of given cases; None among them dies there."""

    cases: tuple[list[Result] | None, ...]

    def measure(self, job):
        for rows in self.cases:
            if rows is None:
                raise KeyboardInterrupt
            job.say(f"measured {len(rows)}")
            yield rows


@pytest.fixture
def stub(monkeypatch):
    """Registers a suite "stub" whose cases are given; the quick one has the first case only."""

    def register(*cases):
        monkeypatch.setitem(SUITES, "stub", Budgets(Stub(cases), Stub(cases[:1])))

    return register


@pytest.fixture
def row():
    """A row of results, with what is given replaced."""

    def make(**given):
        plain = Result("stub", "a, b", "m", "wasserstein", 0.1, "", 0, "ours")
        return plain._replace(**given)

    return make
