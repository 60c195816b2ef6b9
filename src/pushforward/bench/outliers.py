"""Clusters to clusters, with outliers in the data: what a coupling does with rows that have no counterpart."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import Experiment, override, parse
from pushforward.core import Coupling, Field, Gen, Pairs, generator_from
from pushforward.couplings import ExactOT, Independent, PartialOT, UnbalancedOT
from pushforward.data import Dataset, EightGaussians, Stream
from pushforward.metrics import wasserstein
from pushforward.recipes import load
from pushforward.solvers import RK4, solve

__all__ = ["ContaminatedGaussians", "Outliers"]

SOURCE, TARGET = EightGaussians(radius=5.0, std=0.3), EightGaussians(radius=10.0, std=0.3)
OUTLIER = 8  # label
ENTRANTS: dict[str, tuple[Coupling, object]] = {  # as parts, and as a configuration writes them
    "Independent": (Independent(), "Independent"),
    "ExactOT": (ExactOT(), "ExactOT"),
    **{f"PartialOT s={s}": (PartialOT(s), {"type": "PartialOT", "mass": s}) for s in (0.6, 0.8, 1.0)},
    "UnbalancedOT": (UnbalancedOT(), "UnbalancedOT"),
}


@dataclass(frozen=True)
class ContaminatedGaussians:
    """The eight target clusters, and with probability `share` a point around (40, 0), far from all of them."""

    share: float = 0.1

    def sample(self, n: int, *, generator: Gen = None) -> Float[Tensor, "n 2"]:
        """`n` independent points."""
        x = TARGET.sample(n, generator=generator)
        stray = torch.rand(n, generator=generator) < self.share
        far = torch.tensor([40.0, 0.0]) + torch.randn(n, 2, generator=generator)
        return torch.where(stray[:, None], far, x)


@dataclass(frozen=True)
class Outliers:
    r"""Eight Gaussians on a circle of radius 5 to eight on a circle of radius 10, a tenth of the data being outliers.

    What should happen: every source cluster goes to the data cluster in the same direction. What a batch offers: random
    numbers of rows per cluster, and outliers that must be reached by whatever has to reach everything.

    `cross_cluster_share` is the weight of the pairs that join a source cluster to another one's counterpart, over that
    of all pairs; `outlier_share` that of the pairs that end at an outlier. Then a small network is trained with the
    coupling, fresh data at every step, and follows fresh sources (RK4, 50 steps): `wrong_cluster` is the share of them
    that end nearest to another cluster, or more than five standard deviations from all; `wasserstein` is their distance
    to fresh data without outliers, with the floor of two independent draws.

    Args:
        batches: For the shares, of each seed.
        batch_size: Rows of a batch, also in training.
        steps: Of training; 0 leaves it out.
        points: That judge it, on each side.
        seeds: Of everything.
    """

    batches: int = 200
    batch_size: int = 64
    steps: int = 4000
    points: int = 2000
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def case(self) -> str:
        """The problem and the budget."""
        return (
            f"8 gaussians -> 8 gaussians and 10 % outliers, batch {self.batch_size}, "
            f"{self.batches} batches, {self.steps} steps, {self.points} points"
        )

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """For every seed the floor, and one coupling after the other."""
        for seed in self.seeds:
            clean, other = (TARGET.sample(self.points, generator=generator_from(seed, "outliers", k)) for k in (0, 1))
            x0 = SOURCE.sample(self.points, generator=generator_from(seed, "outliers", "source"))
            yield [self._row(seed, "floor, independent draws", "wasserstein", wasserstein(other, clean))]
            for method, (coupling, written) in ENTRANTS.items():
                values = self._shares(coupling, seed)
                if self.steps:
                    values |= self._judge(self._train(written, seed), x0, clean)
                rows = [self._row(seed, method, *value) for value in values.items()]
                job.say(f"outliers: seed {seed}, {method}: " + ", ".join(f"{r.metric} {r.value:.4g}" for r in rows))
                yield rows

    def _shares(self, coupling: Coupling, seed: int) -> dict[str, float]:
        """By weight, over many batches."""
        crossing, straying = 0.0, 0.0
        for k in range(self.batches):
            gen = generator_from(seed, "outliers", "pairs", k)
            x0, x1 = (law.sample(self.batch_size, generator=gen) for law in (SOURCE, ContaminatedGaussians()))
            found = shares(coupling(x0, x1, generator=gen))
            crossing, straying = crossing + found[0], straying + found[1]
        return {"cross_cluster_share": crossing / self.batches, "outlier_share": straying / self.batches}

    def _train(self, coupling: object, seed: int) -> Field:
        settings = {"training.steps": self.steps, "training.batch_size": self.batch_size, "seed": seed}
        spec = override(load("8gaussians_to_moons"), {"coupling": coupling, **settings})
        data = Stream(ContaminatedGaussians())
        experiment = Experiment(parse(spec), Dataset(train=data, test=data, source=Stream(SOURCE)))
        return experiment.config.bound.field(experiment.train().net)

    def _judge(self, field: Field, x0: Tensor, clean: Tensor) -> dict[str, float]:
        with torch.no_grad():
            x = solve(field, x0, torch.linspace(0, 1, 51), solver=RK4()).x
        assert isinstance(x, Tensor)
        wrong = cluster(x, TARGET) != cluster(x0, SOURCE, reach=math.inf)
        return {"wrong_cluster": wrong.double().mean().item(), "wasserstein": wasserstein(x, clean)}

    def _row(self, seed: int, method: str, metric: str, value: float) -> Result:
        return Result("outliers", self.case, method, metric, value, "", seed, "ours")


def cluster(x: Float[Tensor, "n 2"], law: EightGaussians, *, reach: float = 5.0) -> Int[Tensor, " n"]:
    """The nearest cluster, or `OUTLIER` beyond `reach` standard deviations."""
    distance, nearest = torch.cdist(x, law.centres()).min(1)
    return torch.where(distance <= reach * law.std, nearest, OUTLIER)


def shares(pairs: Pairs) -> tuple[float, float]:
    """The weight, over that of all, of the pairs that cross from cluster to cluster and that end at an outlier."""
    assert isinstance(pairs.x0, Tensor)
    assert isinstance(pairs.x1, Tensor)
    weight = torch.ones(pairs.size) if pairs.weight is None else pairs.weight
    source, target = cluster(pairs.x0, SOURCE, reach=math.inf), cluster(pairs.x1, TARGET, reach=10.0)
    stray = target == OUTLIER
    crossing = (source != target) & ~stray
    total = weight.sum()
    return ((weight * crossing).sum() / total).item(), ((weight * stray).sum() / total).item()
