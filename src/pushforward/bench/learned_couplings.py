"""The recipes of learned couplings beside their ablations, in one step."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import Experiment, override, parse, start
from pushforward.core import generator_from, randn
from pushforward.metrics import class_accuracy, energy_distance, precision_recall_coverage
from pushforward.objectives import Joint
from pushforward.recipes import load
from pushforward.solvers import Euler, solve

__all__ = ["LearnedCouplings"]

PLAIN = {"type": "FlowMatching", "draw": "Stratified"}
CASES: dict[str, tuple[str, ...]] = {
    "digits_vct": ("learned", "independent"),
    "digits_crossflow": ("learned", "independent", "independent, net told the label"),
}


@dataclass(frozen=True)
class LearnedCouplings:
    """Recipes `digits_vct` and `digits_crossflow` beside the same run over independent pairs, in one Euler step.

    The ablation freezes the encoder at its start, which is the independent coupling bit for bit: same network, budget
    and draws. The network of `digits_crossflow` is not told the label; one that is told it, over independent pairs, is
    the usual conditional model.

    `class_accuracy` asks a classifier of real digits for the class of the samples. One step over independent pairs goes
    to the mean of what the network is told, E[x1 | c]: told the label, it draws ten blurred images that are easy to
    classify. So the counterpart stands beside it, `classification_accuracy_score`, the accuracy on held-out real digits
    of a classifier that learned from the samples (Ravuri & Vinyals 2019), which wants variety, too; and recall, which
    is 0 for ten images.

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
                for name in entrants:
                    values = self._values(recipe, name, seed)
                    job.say(f"{case}: seed {seed}, {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
                    yield [
                        Result("learned_couplings", case, name, metric, value, _unit(metric), seed, "ours")
                        for metric, value in values.items()
                    ]

    def _values(self, recipe: str, name: str, seed: int) -> dict[str, float]:
        change: dict[str, Any] = {"seed": seed}
        change |= {} if self.steps is None else {"training.steps": self.steps}
        change |= {"objective": PLAIN} if name.endswith("label") else {}
        experiment = Experiment.of(parse(override(load(recipe), change)))
        data = experiment.dataset
        objective: Any = experiment.objective()
        if name == "independent":
            objective.requires_grad_(False)
        started = time.perf_counter()
        net = experiment.train(objective=objective).net
        seconds = time.perf_counter() - started

        n = experiment.config.evaluation.samples
        label = torch.arange(n) % (data.classes or 1)
        assert isinstance(data.shape, tuple)
        noise = randn((n, *data.shape), torch.empty(0), generator=generator_from(seed, "learned_couplings"))
        with torch.no_grad():
            law = objective.source(label) if isinstance(objective, Joint) else None
            x0 = start(experiment.config.path, noise, torch.zeros(n), law=law)
            x = solve(objective.field(net), x0, torch.linspace(0, 1, 2), solver=Euler(), cond=label).x
        real, real_label = data.held_out().take(n, 0)
        known, known_label = data.train.take(10_000, 0)
        assert isinstance(real, Tensor)
        assert isinstance(known, Tensor)
        assert isinstance(real_label, Tensor)
        assert isinstance(known_label, Tensor)
        assert isinstance(x, Tensor)
        real, known = data.transform.forward(real), data.transform.forward(known)
        return {
            "class_accuracy": class_accuracy(x, label, known, known_label),
            "classification_accuracy_score": class_accuracy(real, real_label, x, label),
            "energy_distance": float(energy_distance(x, real)),
            "recall": precision_recall_coverage(real, x[: len(real)]).recall,
            "training_seconds": seconds,
        }


def _unit(metric: str) -> str:
    return "s" if metric.endswith("seconds") else ""
