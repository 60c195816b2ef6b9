"""`pushforward bench`."""

from pathlib import Path

from pushforward.bench import run as run_suites
from pushforward.cli.output import say, table

__all__ = ["run"]


def run(suites: list[str], quick: bool, peers: list[str], out: Path) -> None:
    """Run the suites, print the results, write results.csv."""
    results = run_suites(suites, quick=quick, peers=peers, out=out, say=say)
    rows = [
        [r.suite, r.case, r.method, r.metric, f"{r.value:.4g}", r.unit, "" if r.seed is None else str(r.seed), r.source]
        for r in results
    ]
    table("results", ["suite", "case", "method", "metric", "value", "unit", "seed", "source"], rows)
    say(f"wrote {out / 'results.csv'}")
