"""Graphs of two communities and graphs in the plane, by CatFlow."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import InvalidInput, generator_from, rand
from pushforward.data import Dataset, GraphSet, adjacency
from pushforward.fields import NetEstimator, NetField, OneHot
from pushforward.metrics import Clustering, Degrees, Orbits, graph_mmd, planar
from pushforward.nets import GraphTransformer
from pushforward.objectives import FlowMatching
from pushforward.solvers import Euler, solve
from pushforward.training import Feed, Training, train

__all__ = ["Graphs"]

PLANAR = {"depth": 4, "walks": 8}  # what its network has besides
STATISTICS = {"degree_mmd": Degrees(), "clustering_mmd": Clustering(), "orbit_mmd": Orbits()}


class Work(NamedTuple):
    """A set of graphs, what it is called, and what is spent on it: `steps` of `batch` graphs with a network of `sizes`.

    `graphs` are generated.
    """

    which: str
    title: str
    steps: int
    batch: int
    rate: float
    graphs: int
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Graphs:
    """CatFlow on graphs, by the statistics of degrees, clustering and orbits.

    Squared discrepancies to the held-out graphs, lower is better. Beside them the floor, of the graphs that were
    learned from, and the null: random graphs of as many nodes with every pair an edge with the chance of the learned
    ones. `edges` is the mean number of edges and `clustering` the mean coefficient of a node, held-out graphs beside
    them; `planar` the share of graphs that hang together and can be drawn without crossings. Kernels and widths are
    those of `graph_mmd`; figures of papers have others. Without the files there is no measurement.

    Communities are graphs of 12 to 20 nodes, told by triangles. Planar graphs have 64 nodes and no small pattern that
    tells them; their network sees random walks.

    Args:
        steps: Of the training on communities, 32 graphs each.
        graphs: Of communities that are generated.
        planar_steps: Of the training on planar graphs, 8 each.
        planar_graphs: That are generated.
        follow: Steps of Euler.
        seed: Of everything.
    """

    steps: int = 1000
    graphs: int = 100
    planar_steps: int = 1000
    planar_graphs: int = 40
    follow: int = 100
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One set of graphs after the other."""
        small = {"width": 64, "pair_width": 32, "depth": 3}
        quick = "" if self == Graphs(seed=self.seed) else ", quick ({} steps, {} graphs)"
        for work in (
            Work("community_small", "community graphs", self.steps, 32, 2e-3, self.graphs, small),
            Work("planar_64_200", "planar graphs", self.planar_steps, 8, 2e-3, self.planar_graphs, small | PLANAR),
        ):
            try:
                data = GraphSet(work.which, seed=self.seed).load()
            except InvalidInput as error:
                job.say(f"graphs: left out: {error}")
                continue
            yield from self._compared(job, data, work, f"{work.title}{quick.format(work.steps, work.graphs)}")

    def _compared(self, job: Job, data: Dataset, work: Work, case: str) -> Iterator[list[Result]]:
        """Floor, null, then what was learned."""
        held, learned = _graphs(data.held_out()), _graphs(data.train)

        def told(method: str, graphs: list[Tensor], more: dict[str, float] | None = None) -> list[Result]:
            values = {name: float(graph_mmd(graphs, held, statistic)) for name, statistic in STATISTICS.items()}
            values |= {
                "clustering": float(torch.cat([Clustering().coefficients(graph) for graph in graphs]).mean()),
                "edges": float(torch.stack([graph.sum() / 2 for graph in graphs]).mean()),
            }
            if work.which.startswith("planar"):
                values["planar"] = planar(graphs)
            values |= more or {}
            job.say(f"graphs: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
            unit = lambda metric: "s" if metric.endswith("seconds") else ""
            return [Result("graphs", case, method, k, v, unit(k), self.seed, "ours") for k, v in values.items()]

        yield told("held-out graphs", held)
        yield told("floor, graphs that were learned from", learned)
        real = data.train.take(10**6)[1]
        assert isinstance(real, Mapping)
        sizes = real["real"].sum(1)
        gen = generator_from(self.seed, "graphs", "sizes")
        rows = (rand((work.graphs,), sizes, generator=gen) * len(sizes)).long()
        yield told("random graphs of as many edges", self._random(learned, sizes[rows]))
        started = time.process_time()
        field = self._train(data, work)
        seconds = {"training_cpu_seconds": time.process_time() - started}
        yield told("CatFlow", self._draw(field, real["real"][rows]), seconds)

    def _random(self, learned: list[Tensor], sizes: Tensor) -> list[Tensor]:
        edges = sum(float(graph.sum()) for graph in learned)
        chance = edges / sum(len(graph) * (len(graph) - 1) for graph in learned)
        gen, found = generator_from(self.seed, "graphs", "null"), []
        for n in sizes.long().tolist():
            half = (rand((n, n), sizes, generator=gen) < chance).to(sizes.dtype).triu(1)
            found.append(half + half.T)
        return found

    def _train(self, data: Dataset, work: Work) -> NetField:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = GraphTransformer(1, 2, **work.sizes)
        objective, warmup = FlowMatching(head=OneHot()), min(50, work.steps)
        settings = Training(work.steps, work.batch, work.rate, 0.0, warmup=warmup, ema=0.99, device="cpu", workers=0)
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
