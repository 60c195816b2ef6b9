"""Tokens whose law is known: what steps cost, and what bounds say."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Field, Pairs, Solver, generator_from
from pushforward.fields import Logits, NetField
from pushforward.inference import elbo
from pushforward.metrics import table_variation, table_variation_floor
from pushforward.nets import TokenTransformer
from pushforward.objectives import DiscreteFlowMatching
from pushforward.oracles import TokenLaw
from pushforward.paths import CondOT, Cosine, Mixture, Polynomial
from pushforward.solvers import Euler, ExactJump, solve
from pushforward.spaces import Tokens

__all__ = ["Discrete", "checkerboard_table", "law_at_end"]

DIAGONAL = [[0.30, 0.02, 0.02], [0.02, 0.28, 0.02], [0.02, 0.02, 0.30]]
CELLS = 128
BLOCK = 250  # rows of an exact posterior over all cells at once


@dataclass(frozen=True)
class Discrete:
    r"""Discrete flow matching against exact laws.

    Two symbols of three that mostly agree: the total variation between the data and where the exact posterior arrives,
    by solver, schedule and number of steps. The law of every step is known, so nothing is drawn. The same by draws, on
    64 steps, beside the floor of as many draws of the data.

    The checkerboard on 128 x 128 cells: nats a symbol that the exact posterior has by `elbo`, whose truth is log 8192 /
    2 = 4.5055, and which it reaches under the mask and cannot reach under uniform noise; the same of a small
    transformer after a training.

    Args:
        steps: Of the solvers.
        points: That judge, by draws and by bounds.
        strata: Evaluations of the bound.
        training: Steps of the transformer, batches of 512; 0 leaves it out.
        seed: Of everything.
    """

    steps: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    points: int = 4000
    strata: int = 16
    training: int = 2000
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Steps first, then bounds."""
        for space in (Tokens(3), Tokens(3, mask=True)):
            for schedule in (CondOT(), Polynomial(2), Cosine()):
                yield self._steps(job, Mixture(space, schedule))
            yield [self._draws(job, Mixture(space))]
        for mask in (True, False):
            yield self._bounds(job, Mixture(Tokens(CELLS, mask=mask)))

    def _steps(self, job: Job, path: Mixture) -> list[Result]:
        case = f"two symbols of three, {_source(path)}, {type(path.schedule).__name__}, exact posterior"
        truth = TokenLaw(DIAGONAL)
        field = NetField(truth.along(path), Logits(), path)
        rows: list[Result] = []
        for solver in (ExactJump(path), Euler(path.space)):
            name = type(solver).__name__
            for k in self.steps:
                p = law_at_end(solver, field, torch.linspace(0, 1, k + 1, dtype=torch.float64))
                found = p[tuple(slice(n) for n in truth.table.shape)]
                error = ((found - truth.table).abs().sum() + 1 - found.sum()).item() / 2
                rows.append(Result("discrete", case, f"{name}, {k} steps", "total_variation", error, "", None, "ours"))
            errors = ", ".join(f"{row.value:.4f}" for row in rows[-len(self.steps) :])
            job.say(f"discrete: {case}, {name}, {', '.join(map(str, self.steps))} steps: {errors}")
        return rows

    def _draws(self, job: Job, path: Mixture) -> Result:
        truth, gen = TokenLaw(DIAGONAL), generator_from(self.seed, "discrete", _source(path))
        field = NetField(truth.along(path), Logits(), path)
        x0 = path.space.noise(torch.zeros(self.points, 2), generator=gen)
        x = solve(field, x0, torch.linspace(0, 1, 65), solver=ExactJump(path), generator=gen).x
        value = table_variation(cast(Tensor, x), truth.table).item()
        floor = table_variation_floor(truth.table, self.points)
        case = f"two symbols of three, {_source(path)}, {self.points} draws"
        job.say(f"discrete: {case}, 64 steps: {value:.4f} (floor {floor:.4f})")
        return Result(
            "discrete", case, "ExactJump, 64 steps", "variation_over_floor", value / floor, "", self.seed, "ours"
        )

    def _bounds(self, job: Job, path: Mixture) -> list[Result]:
        truth = TokenLaw(checkerboard_table())
        case = f"checkerboard of {CELLS} x {CELLS} cells, {_source(path)}"
        x = truth.sample(self.points, generator=generator_from(self.seed, "discrete", "held out"))
        fields: dict[str, Field] = {"exact posterior": NetField(truth.along(path), Logits(), path)}
        if self.training:
            fields[f"transformer, {self.training} steps"] = self._trained(path, truth)
        rows = [
            Result("discrete", case, "entropy", "nats_per_token", math.log(CELLS**2 / 2) / 2, "nats", None, "reference")
        ]
        for name, field in fields.items():
            gen = generator_from(self.seed, "discrete", "bound")
            parts = [elbo(field, part, strata=self.strata, generator=gen) for part in x.split(BLOCK)]
            nats = -torch.cat(parts) / truth.length
            error = nats.std().item() / len(x) ** 0.5
            job.say(f"discrete: {case}, {name}: {nats.mean().item():.4f} +- {error:.4f} nats a symbol")
            rows.append(Result("discrete", case, name, "nats_per_token", nats.mean().item(), "nats", self.seed, "ours"))
        return rows

    def _trained(self, path: Mixture, truth: TokenLaw) -> Field:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = TokenTransformer(CELLS, mask=path.tokens.mask, width=64, depth=2)
        objective = DiscreteFlowMatching(path)
        optimiser = torch.optim.AdamW(net.parameters(), 2e-3)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.training)
        for step in range(self.training):
            gen = generator_from(self.seed, "discrete", "training", step)
            x1 = truth.sample(512, generator=gen)
            optimiser.zero_grad()
            objective(net, Pairs((path.space.noise(x1, generator=gen), x1)), generator=gen).value.backward()
            optimiser.step()
            decay.step()
        return objective.field(net.eval())


def _source(path: Mixture) -> str:
    return "mask" if path.tokens.mask else "uniform noise"


def checkerboard_table(cells: int = CELLS, fields: int = 4) -> Tensor:
    """Uniform on the black fields of a board of `fields` x `fields`, as a table over `cells` x `cells`."""
    side = torch.arange(cells) * fields // cells
    black = (side[:, None] + side) % 2 == 0
    return black.double() / black.sum()


def law_at_end(solver: Solver, field: Any, times: Tensor) -> Tensor:
    """The law `[S, S]` of two symbols at the last time, when they start in noise, by that of every step of a field."""
    path = cast(Mixture, field.path)
    size = path.tokens.size
    x = torch.cartesian_prod(torch.arange(size), torch.arange(size))
    noise = path.tokens.noise_probs(times)
    p = torch.outer(noise, noise).flatten()
    for s, t in pairwise(times[:, None].repeat(1, len(x)).unbind()):
        if isinstance(solver, Euler):
            chances = path.tokens.chances(x, field(x, s), t - s)
        else:
            chances = cast(Any, solver).law(field, x, s, t).mean
        p = p @ torch.einsum("xa,xb->xab", chances[:, 0], chances[:, 1]).flatten(1)
    return p.reshape(size, size)
