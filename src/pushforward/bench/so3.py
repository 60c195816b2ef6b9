"""Densities on rotations: sixteen modes, where the truth is known."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import generator_from
from pushforward.data import Arrays, RotationMixture
from pushforward.fields import NetField
from pushforward.inference import log_prob
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching
from pushforward.paths import Geodesic
from pushforward.solvers import RK4
from pushforward.spaces import SO3
from pushforward.training import Feed, Training, train

__all__ = ["SO3Suite"]

OURS, TRUTH, UNIFORM = "Riemannian flow matching", "the law itself", "uniform"
ROWS = 94_000  # to learn from, of the recipe's 100,000


@dataclass(frozen=True)
class SO3Suite:
    """`RotationMixture` from uniform rotations; `nll` in nats on held-out rows, beside what the law itself says there.

    `nll` is against the volume 8 pi^2, `nll_haar` against the uniform law, log(8 pi^2) = 4.37 less. `above_truth` is
    the difference to the exact density on the same rows, which estimates the Kullback-Leibler divergence. Published
    figures on data of this recipe state neither the volume nor the metric, and are left out. Densities in float64,
    exact divergence, RK4. The network is an MLP (4 x 256) on the matrix and t; `seconds` are those of training.

    Args:
        law: The data.
        steps: Of the training.
        batch: Rows of a step.
        points: Held-out rows that are scored.
        seeds: Of data, training and held-out rows.
    """

    law: RotationMixture = field(default_factory=RotationMixture)
    steps: int = 6000
    batch: int = 512
    points: int = 1000
    seeds: tuple[int, ...] = (0,)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One seed after the other."""
        for seed in self.seeds:
            job.say(f"so3: seed {seed}, {self.steps} steps")
            rows, held = (
                self.law.sample(n, generator=generator_from(seed, what))
                for n, what in ((ROWS, "rows"), (self.points, "held out"))
            )
            began = time.perf_counter()
            learnt = self._field(rows, seed)
            seconds = time.perf_counter() - began
            held = SO3().project(held.double())
            assert isinstance(held, Tensor)
            learnt.net.double()
            with torch.no_grad():
                found = log_prob(learnt, held, solver=RK4(SO3()), times=torch.linspace(0, 1, 33))
            truth, volume = self.law.log_prob(held), math.log(8 * math.pi**2)
            scores = {OURS: -found.mean().item(), TRUTH: -truth.mean().item(), UNIFORM: volume}
            job.say(f"  nll {scores[OURS]:.3f}, the law itself {scores[TRUTH]:.3f}, uniform {volume:.3f}")
            named = [
                (method, what, score - less) for method, score in scores.items() for what, less in _VOLUMES.items()
            ]
            named += [(OURS, "above_truth", (truth - found).mean().item())]
            units = [(*row, "nats") for row in named] + [(OURS, "seconds", seconds, "s")]
            yield [Result("so3", self._case, *row, seed, "ours") for row in units]

    @property
    def _case(self) -> str:
        full = (self.steps, self.points) == (SO3Suite.steps, SO3Suite.points)
        name = f"{self.law.modes} modes"
        return name if full else f"{name}, quick ({self.steps} steps, {self.points} points)"

    def _field(self, rows: Tensor, seed: int) -> NetField:
        objective = FlowMatching(Geodesic(SO3()))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = MLP((3, 3), width=256, depth=4, activation="silu")
        settings = Training(
            self.steps, self.batch, 2e-3, 0.0, warmup=min(200, self.steps), gradient_clip=1.0, ema=0.999, device="cpu"
        )
        return objective.field(train(net, objective, Feed(Arrays(rows), space=SO3()), settings, seed=seed).net)


_VOLUMES = {"nll": 0.0, "nll_haar": math.log(8 * math.pi**2)}
