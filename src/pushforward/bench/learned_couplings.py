"""The recipes of learned couplings beside their ablations, in one step."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import override
from pushforward.flow import Flow, evaluate
from pushforward.metrics import class_accuracy
from pushforward.recipes import load

__all__ = ["LearnedCouplings"]

PLAIN: dict[str, Any] = {"objective": {"type": "FlowMatching", "draw": "Stratified"}}
# an encoder whose penalty is this strong stays N(0, I), and its source knows nothing of the condition
FROZEN: dict[str, Any] = {"objective.strength": 1e4}
CASES: dict[str, dict[str, Mapping[str, Any]]] = {
    "digits_vct": {"VariationalNoise": {}, "independent": PLAIN},
    "digits_crossflow": {
        "CrossFlow": {},
        "independent (net not told the label)": FROZEN,
        "independent (net told the label)": PLAIN,
    },
}


@dataclass(frozen=True)
class LearnedCouplings:
    """Recipes `digits_vct` and `digits_crossflow` and the same run with independent pairs, sampled by one Euler step.

    `class_accuracy` asks a classifier of real digits for the class of the samples. One step over independent pairs goes
    to the mean of what the network is told, E[x1 | c]: told the label, it draws ten blurred images that are easy to
    classify. So its counterpart stands beside it: `classification_accuracy_score`, the accuracy on held-out real digits
    of a classifier that learned from the samples, which wants variety, too; and recall, which is 0 for ten images.

    Args:
        steps: Of training; None takes the recipe's.
        seeds: Of training and sampling.
    """

    steps: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Every seed of every case."""
        for seed in self.seeds:
            for recipe, entrants in CASES.items():
                case = recipe if self.steps is None else f"{recipe}, quick ({self.steps} steps)"
                for name, change in entrants.items():
                    values = self._values(recipe, change, seed)
                    job.say(f"{case}: seed {seed}, {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
                    yield [
                        Result(
                            "learned_couplings",
                            case,
                            name,
                            metric,
                            value,
                            "s" if "seconds" in metric else "",
                            seed,
                            "ours",
                        )
                        for metric, value in values.items()
                    ]

    def _values(self, recipe: str, change: Mapping[str, Any], seed: int) -> dict[str, float]:
        budget = {} if self.steps is None else {"training.steps": self.steps}
        flow = Flow(override(load(recipe), {**change, **budget, "seed": seed}))
        started = time.perf_counter()
        flow.fit()
        seconds = time.perf_counter() - started
        found = evaluate(flow)
        units = lambda rows: flow.dataset().transform.forward(rows).flatten(1)
        assert isinstance(found.cond, Tensor)
        assert isinstance(found.real_cond, Tensor)
        kept = ("class_accuracy", "frechet", "energy_distance", "recall")
        return {name: found.metrics[name] for name in kept} | {
            "classification_accuracy_score": class_accuracy(
                units(found.real), found.real_cond, units(found.samples), found.cond
            ),
            "training_seconds": seconds,
        }
