"""What transport costs, beside other libraries."""

from collections.abc import Iterator
from dataclasses import dataclass

from pushforward.bench.job import Job, Suite
from pushforward.bench.race import threads
from pushforward.bench.results import Result

__all__ = ["Couplings"]


@dataclass(frozen=True)
class Couplings:
    """Groups of cases, one after the other, all on one thread.

    Args:
        groups: Suites of their own, whose rows belong to the suite `couplings`.
    """

    groups: tuple[Suite, ...]

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """The rows of every group."""
        for group in self.groups:
            cases = group.measure(job)
            while True:
                with threads(1):
                    rows = next(cases, None)
                if rows is None:
                    break
                for row in rows:
                    job.say(f"  {row.method} ({row.source}): {row.metric} {row.value:.4g} {row.unit}")
                yield rows
