"""Rounds of rectified flow, and of rectified flow for one cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import override
from pushforward.core import generator_from, randn
from pushforward.data import Identity
from pushforward.flow import Flow, couples, distil, reflow, straightness
from pushforward.metrics import wasserstein
from pushforward.oracles import gaussian_ot
from pushforward.recipes import load

__all__ = ["Rectification"]

MOONS, GAUSSIANS = "8 gaussians -> moons, independent pairs", "Gaussians that do not commute"
S0 = ((1.0, 0.5), (0.5, 1.5))
S1 = ((1.2, -0.5), (-0.5, 0.8))


@dataclass(frozen=True)
class Rectification:
    r"""Two rounds of reflow and a distillation; and what rounds do to the cost of transport.

    From eight Gaussians to moons, trained on independent pairs: `straightness` is the curvature of the flow (0 where
    one step is exact), `wasserstein_1` the distance to fresh moons after one Euler step and `wasserstein_many` after
    the recipe's own; `cost` is :math:`\mathrm E|x_1' - x_0|^2` of the pairs it makes.

    Between two Gaussians whose covariances do not commute the optimal cost is known; a free velocity (rectified flow)
    stalls above it, a gradient (`CRectifiedFlow`) does not. `cost` is that of 20,000 pairs and `cost_error` its
    standard error.

    Args:
        steps: Of the first training.
        round_steps: Of every round's.
        pairs: Of a round.
        points: That judge it, on each side.
        rounds: How many.
        seeds: Of everything.
    """

    steps: int = 4000
    round_steps: int = 3000
    pairs: int = 20_000
    points: int = 2000
    rounds: int = 2
    seeds: tuple[int, ...] = (0, 1, 2)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Every seed of both problems."""
        for seed in self.seeds:
            yield from self._moons(job, seed)
            for name in ("FlowMatching", "CRectifiedFlow"):
                yield from self._gaussians(job, name, seed)

    def _moons(self, job: Job, seed: int) -> Iterator[list[Result]]:
        change = {"seed": seed, "training.steps": self.steps, "coupling": "Independent"}
        flow = Flow(override(load("8gaussians_to_moons"), change)).fit()
        data = flow.dataset()
        assert data.source is not None
        x0, real = (part.take(self.points, seed + 1)[0] for part in (data.source, data.train))
        assert isinstance(x0, Tensor)
        assert isinstance(real, Tensor)
        yield self._rows(job, MOONS, "trained", seed, self._judged(flow, x0, real))
        for k in range(self.rounds):
            flow = reflow(flow, self.pairs, training_steps=self.round_steps, seed=seed + k)
            yield self._rows(job, MOONS, f"round {k + 1}", seed, self._judged(flow, x0, real))
        final = distil(flow, self.pairs, training_steps=self.round_steps, seed=seed + self.rounds)
        one = wasserstein(final.transport(x0), real)
        yield self._rows(job, MOONS, "distilled to one step", seed, {"wasserstein_1": one})

    def _judged(self, flow: Flow, x0: Tensor, real: Tensor) -> dict[str, float]:
        many = flow.transport(x0)
        return {
            "straightness": straightness(flow, self.points),
            "wasserstein_1": wasserstein(flow.transport(x0, solver="Euler", steps=1), real),
            "wasserstein_many": wasserstein(many, real),
            "cost": float((many - x0).square().sum(1).mean()),
        }

    def _gaussians(self, job: Job, name: str, seed: int) -> Iterator[list[Result]]:
        generator = generator_from(seed, "rectification")
        x0, x1 = (
            randn((self.pairs, 2), torch.empty(0), generator=generator) @ torch.linalg.cholesky(torch.tensor(S)).T
            for S in (S0, S1)
        )
        best = gaussian_ot([0.0, 0.0], S0, [0.0, 0.0], S1).matrix.float()
        yield self._rows(job, GAUSSIANS, "optimal", seed, _cost(x0, x0 @ best.T))
        spec: dict[str, Any] = {
            "objective": name,
            "net": {"type": "MLP", "activation": "silu"},
            "training": {"steps": self.steps, "batch_size": 512, "learning_rate": 2e-3},
            "sampling": {"solver": "RK4", "steps": 20},
        }
        flow = Flow(spec, transform=Identity(), seed=seed).fit(x1, x0)
        for k in range(self.rounds + 1):
            start, end, _ = couples(flow, self.pairs, seed=seed)
            yield self._rows(job, GAUSSIANS, f"{name}, round {k}", seed, _cost(start, end))
            if k < self.rounds:
                flow = reflow(flow, self.pairs, training_steps=self.round_steps, seed=seed + k)

    def _rows(self, job: Job, case: str, method: str, seed: int, values: dict[str, float]) -> list[Result]:
        full = (self.steps, self.pairs) == (Rectification.steps, Rectification.pairs)
        case = case if full else f"{case}, quick ({self.steps} steps, {self.pairs} pairs)"
        job.say(f"{case}: seed {seed}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
        return [Result("rectification", case, method, k, v, "", seed, "ours") for k, v in values.items()]


def _cost(x0: Tensor, x1: Tensor) -> dict[str, float]:
    rows = (x1 - x0).square().sum(1) / 2
    return {"cost": float(rows.mean()), "cost_error": float(rows.std() / len(rows) ** 0.5)}
