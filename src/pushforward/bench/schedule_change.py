"""A noise predictor of a diffusion schedule, sampled on its own schedule and on straight lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import Experiment, override, parse
from pushforward.core import Field, generator_from, randn
from pushforward.metrics import class_accuracy, wasserstein
from pushforward.paths import CondOT, Rescheduled, VariancePreserving
from pushforward.recipes import load
from pushforward.solvers import Heun, solve

__all__ = ["ScheduleChange"]

VP = {"path.schedule": "VariancePreserving", "objective.head": "Noise"}


@dataclass(frozen=True)
class ScheduleChange:
    """The recipe `digits` trained as a diffusion model: the noise of a variance-preserving path.

    The same network is followed on its own schedule and, through `Rescheduled`, on straight lines (CondOT), by Heun's
    method in few and in many steps and without guidance, from the same noise. `class_accuracy` is that of a classifier
    of real digits; `wasserstein` the distance to held-out digits, with the floor of as many digits of the training set.

    Args:
        steps: Of training; None takes the recipe's.
        samples: Of every entrant.
        few: Steps of Heun's method that should do on straight lines.
        many: Steps on the schedule of training.
        seeds: Of training and sampling.
    """

    steps: int | None = None
    samples: int = 1000
    few: int = 16
    many: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Every seed: the floor, and the network on both schedules."""
        case = f"digits, {self.samples} samples"
        case += "" if self.steps is None else f", quick ({self.steps} steps)"
        for seed in self.seeds:
            for name, values in self._entrants(seed):
                job.say(f"{case}: seed {seed}, {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
                yield [
                    Result("schedule_change", case, name, metric, value, "", seed, "ours")
                    for metric, value in values.items()
                ]

    def _entrants(self, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
        change: dict[str, Any] = {"seed": seed, **VP}
        change |= {} if self.steps is None else {"training.steps": self.steps}
        experiment = Experiment.of(parse(override(load("digits"), change)))
        data = experiment.dataset
        objective: Any = experiment.objective()
        field: Field = objective.field(experiment.train().net)
        straight = Rescheduled(field, VariancePreserving(), CondOT())

        assert isinstance(data.shape, tuple)
        label = torch.arange(self.samples) % (data.classes or 1)
        x0 = randn((self.samples, *data.shape), torch.empty(0), generator=generator_from(seed, "schedule_change"))
        held_out, _ = data.held_out().take(10_000, 0)
        known, known_label = data.train.take(10_000, 0)
        assert isinstance(held_out, Tensor)
        assert isinstance(known, Tensor)
        assert isinstance(known_label, Tensor)
        real, known = data.transform.forward(held_out), data.transform.forward(known)
        rows = min(len(real), self.samples)

        def judged(field: Field, steps: int) -> dict[str, float]:
            with torch.no_grad():
                x = solve(field, x0, torch.linspace(0, 1, steps + 1), solver=Heun(), cond=label).x
            assert isinstance(x, Tensor)
            accuracy = class_accuracy(x, label, known, known_label)
            return {"class_accuracy": accuracy, "wasserstein": wasserstein(x[:rows], real[:rows])}

        yield "floor, digits of the training set", {"wasserstein": wasserstein(known[:rows], real[:rows])}
        for steps in (self.few, self.many):
            yield f"VariancePreserving, {steps} Heun steps", judged(field, steps)
            yield f"CondOT, {steps} Heun steps", judged(straight, steps)
