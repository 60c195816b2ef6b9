"""Graphs of two communities, by CatFlow."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import InvalidInput, generator_from, rand
from pushforward.data import Dataset, GraphSet, adjacency
from pushforward.fields import NetEstimator, NetField, OneHot
from pushforward.metrics import Clustering, Degrees, Orbits, graph_mmd
from pushforward.nets import GraphTransformer
from pushforward.objectives import FlowMatching
from pushforward.solvers import Euler, solve
from pushforward.training import Feed, Training, train

__all__ = ["Graphs"]

STATISTICS = {"degree_mmd": Degrees(), "clustering_mmd": Clustering(), "orbit_mmd": Orbits()}


@dataclass(frozen=True)
class Graphs:
    """CatFlow on the community graphs, by the statistics of degrees, clustering and orbits.

    Squared discrepancies to the 20 held-out graphs, lower is better. Beside them the floor, of the graphs that were
    learned from, and the null: random graphs of as many nodes with every pair an edge with the chance of the learned
    ones. `edges` is the mean number of edges and `clustering` the mean coefficient of a node, held-out graphs beside
    them. Kernels and widths are those of `graph_mmd`; figures of papers have others. Without the file there is no
    measurement.

    Args:
        steps: Of the training, 32 graphs each.
        graphs: That are generated.
        follow: Steps of Euler.
        seed: Of everything.
    """

    steps: int = 1000
    graphs: int = 100
    follow: int = 100
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Floor, null, then what was learned."""
        try:
            data = GraphSet(seed=self.seed).load()
        except InvalidInput as error:
            job.say(f"graphs: left out: {error}")
            return
        quick = "" if self == Graphs(seed=self.seed) else f", quick ({self.steps} steps, {self.graphs} graphs)"
        case = f"community graphs{quick}"
        held, learned = _graphs(data.held_out()), _graphs(data.train)

        def told(method: str, graphs: list[Tensor], more: dict[str, float] | None = None) -> list[Result]:
            values = {name: float(graph_mmd(graphs, held, statistic)) for name, statistic in STATISTICS.items()}
            values |= {
                "clustering": float(torch.cat([Clustering().coefficients(graph) for graph in graphs]).mean()),
                "edges": float(torch.stack([graph.sum() / 2 for graph in graphs]).mean()),
            }
            values |= more or {}
            job.say(f"graphs: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
            unit = lambda metric: "s" if metric == "training_seconds" else ""
            return [Result("graphs", case, method, k, v, unit(k), self.seed, "ours") for k, v in values.items()]

        yield told("held-out graphs", held)
        yield told("floor, graphs that were learned from", learned)
        real = data.train.take(10**6)[1]
        assert isinstance(real, Mapping)
        sizes = real["real"].sum(1)
        gen = generator_from(self.seed, "graphs", "sizes")
        rows = (rand((self.graphs,), sizes, generator=gen) * len(sizes)).long()
        yield told("random graphs of as many edges", self._random(learned, sizes[rows]))
        started = time.perf_counter()
        field = self._train(data)
        seconds = {"training_seconds": time.perf_counter() - started}
        yield told("CatFlow", self._draw(field, real["real"][rows]), seconds)

    def _random(self, learned: list[Tensor], sizes: Tensor) -> list[Tensor]:
        edges = sum(float(graph.sum()) for graph in learned)
        chance = edges / sum(len(graph) * (len(graph) - 1) for graph in learned)
        gen, found = generator_from(self.seed, "graphs", "null"), []
        for n in sizes.long().tolist():
            half = (rand((n, n), sizes, generator=gen) < chance).to(sizes.dtype).triu(1)
            found.append(half + half.T)
        return found

    def _train(self, data: Dataset) -> NetField:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = GraphTransformer(1, 2, width=64, pair_width=32, depth=3)
        objective = FlowMatching(head=OneHot())
        settings = Training(
            self.steps, 32, 2e-3, 0.0, warmup=min(50, self.steps), ema=0.99, device="cpu", workers=0, weight_decay=0.0
        )
        return objective.field(train(net, objective, Feed(data.train), settings, seed=self.seed).net.eval())

    @torch.no_grad()
    def _draw(self, field: NetField, real: Tensor) -> list[Tensor]:
        n, gen = real.shape[1], generator_from(self.seed, "graphs", "noise")
        like = {"nodes": torch.empty(len(real), n, 1), "edges": torch.empty(len(real), n * (n - 1) // 2, 2)}
        x0 = field.path.space.noise(like, generator=gen)
        low, high = field.span
        x = solve(field, x0, torch.linspace(low, high, self.follow + 1), solver=Euler(), cond={"real": real}).x
        ends: Any = NetEstimator(field)(x, torch.full((len(real),), high), {"real": real}).x1
        return adjacency(real.sum(1).long(), ends["edges"])


def _graphs(part: Any) -> list[Tensor]:
    x, cond = part.take(10**6)
    return adjacency(cast(Tensor, cond["real"]).sum(1).long(), x["edges"])
