"""DNA, steered: what a wish gains by the strength of its guidance, and what it costs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pushforward.bench.dna_figure import ladder
from pushforward.bench.dna_flows import FLOWS, DNAFlow
from pushforward.bench.dna_parts import (
    GROUPS,
    Parts,
    hamming,
    has_box,
    promoters,
    recogniser,
    rows_of,
    spectrum_distance,
)
from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import InvalidInput, generator_from, randperm
from pushforward.data import Arrays
from pushforward.guidance import RateGuidance, SimplexClassifier, StraightThrough
from pushforward.training import atomic_write

__all__ = ["GuidedDNA"]

ORGANISM, PROMOTER = "ecoli", 1
FLOOR_DRAWS = 20


class _Guides(NamedTuple):
    """Networks of one half of the learned rows that steer, and one of the other half that judges."""

    tokens: nn.Module
    simplex: nn.Module
    clean: nn.Module
    judge: nn.Module


@dataclass(frozen=True)
class GuidedDNA:
    r"""Promoters of E. coli from flows that know no classes, steered by networks that tell promoters from others.

    - `RateGuidance` (one gradient a step) on discrete flow matching from the mask, by a network of noisy states,
    - `SimplexClassifier` on Dirichlet flow matching, by a network of its noisy states,
    - `StraightThrough` (STGFlow) on the same flow, by a network of clean sequences.

    By scale, means over samples: `guide`, log-probability that a network of clean sequences which learned from the
    guides' half of the rows gives to promoters, `judge`, that of a network that saw the other half alone (the gap is
    what is gained by deceiving the guide), `judged` the share that it calls promoters, and `box` that with the box of
    promoters in place. The price: `diversity`, mean share of letters that differ between two samples, and
    `spectrum_over_floor`, distance of the spectra of four letters from held-out promoters over that of learned ones.
    `smallest_rise` is the least step of `guide` and of `judge` from one scale to the next; above 0 they rise
    throughout. Held-out promoters and others beside. Without the file there is no measurement.

    Args:
        steps: Of the training of flows, batches of 16.
        recogniser_steps: Of the networks that steer and judge.
        rows: Samples at every scale.
        follow: Steps of the solvers.
        scales: Of the classifiers.
        pushes: Scales of the straight-through gradient, whose unit is another.
        seed: Of everything.

    Writes `dna_guided.png`.
    """

    steps: int = 1000
    recogniser_steps: int = 200
    rows: int = 64
    follow: int = 40
    scales: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    pushes: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """References, then one guidance after the other."""
        try:
            parts = promoters(ORGANISM, seed=self.seed)
        except InvalidInput as error:
            job.say(f"dna_guided: left out: {error}")
            return
        flows = {name: self._flow(build, parts) for name, build in FLOWS.items()}
        guides = self._guides(parts, flows)
        held, label = rows_of(parts.held)
        for name, c in (("held-out promoters", PROMOTER), ("held-out others", 1 - PROMOTER)):
            yield self._told(job, name, self._figures(held[label == c], guides, parts))
        found: dict[str, dict[float, dict[str, float]]] = {}
        for method, (flow, scales, steered) in self._ladders(flows, guides).items():
            found[method] = {}
            for scale in scales:
                made = flow.draws(steered(scale), held.shape[1], None, self.rows, steps=self.follow, seed=self.seed)
                found[method][scale] = self._figures(made, guides, parts)
                yield self._told(job, f"{method}, scale {scale:g}", found[method][scale])
            rises = {
                f"smallest_rise_of_{who}": min(b[who] - a[who] for a, b in pairwise(found[method].values()))
                for who in ("guide", "judge")
            }
            yield self._told(job, method, rises)
        atomic_write(job.out / "dna_guided.png", ladder(found))

    def _ladders(self, flows: Any, guides: _Guides) -> dict[str, tuple[DNAFlow, tuple[float, ...], Callable]]:
        """By method: the flow, the scales, and the field at a scale."""
        said = lambda net: lambda x, t, cond: net(x, t).log_softmax(-1)[:, PROMOTER]
        clean = lambda z, cond: said(guides.clean)(z, torch.ones(len(z)), cond)
        (masked, rates), (dirichlet, field) = flows["masked"], flows["Dirichlet"]
        gen = lambda: generator_from(self.seed, "dna", "straight-through")
        return {
            "RateGuidance": (masked, self.scales, lambda g: RateGuidance(rates, said(guides.tokens), g, taylor=True)),
            "SimplexClassifier": (dirichlet, self.scales, lambda g: SimplexClassifier(field, said(guides.simplex), g)),
            "StraightThrough": (
                dirichlet,
                self.pushes,
                lambda g: StraightThrough(field, clean, g, draws=2, generator=gen()),
            ),
        }

    def _flow(self, build: Callable[..., DNAFlow], parts: Parts) -> tuple[DNAFlow, Any]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            flow = build(None, GROUPS["bacteria"])
        blind = parts._replace(learn=Arrays(parts.learn.x), stop=Arrays(parts.stop.x))
        return flow, flow.fitted(blind, steps=self.steps, seed=self.seed)[0]

    def _guides(self, parts: Parts, flows: dict[str, tuple[DNAFlow, Any]]) -> _Guides:
        x, label = rows_of(parts.learn)
        order = randperm(len(x), x, generator=generator_from(self.seed, "dna", "halves"))
        one, other = (Arrays(x[rows], label[rows]) for rows in order.chunk(2))

        def learned(part: Arrays, flow: DNAFlow | None, seed: int) -> nn.Module:
            rows = [p if flow is None else flow.learned(p) for p in (part, parts.stop)]
            path = None if flow is None else flow.path
            return recogniser(rows[0], rows[1], len(parts.names), path=path, steps=self.recogniser_steps, seed=seed)

        masked, dirichlet = (flow for flow, _ in flows.values())
        seed = self.seed
        return _Guides(
            learned(one, masked, seed),
            learned(one, dirichlet, seed),
            learned(one, None, seed),
            learned(other, None, seed + 1),
        )

    @torch.no_grad()
    def _figures(self, x: Tensor, guides: _Guides, parts: Parts) -> dict[str, float]:
        said = {
            who: getattr(guides, net)(x, torch.ones(len(x))) for who, net in (("guide", "clean"), ("judge", "judge"))
        }
        values = {who: float(logits.log_softmax(-1)[:, PROMOTER].mean()) for who, logits in said.items()}
        values["judged"] = float((said["judge"].argmax(1) == PROMOTER).double().mean())
        kind, n = GROUPS["bacteria"], len(x)
        values["box"] = float(has_box(x, kind.box, kind.start).double().mean())
        values["diversity"] = float(hamming(x, x).sum() / (n * (n - 1) * x.shape[1]))
        held, learned = (rows[label == PROMOTER] for rows, label in map(rows_of, (parts.held, parts.learn)))
        gen = generator_from(self.seed, "dna", "spectra")
        told = {"draws": FLOOR_DRAWS, "generator": gen}
        one = lambda y: y.new_zeros(len(y))  # a single class
        spectra = [spectrum_distance(y, one(y), held, one(held), **told) for y in (x, learned)]
        return values | {"spectrum_over_floor": spectra[0] / spectra[1]}

    def _told(self, job: Job, method: str, values: dict[str, float]) -> list[Result]:
        quick = "" if self == GuidedDNA(seed=self.seed) else f", quick ({self.steps} steps, {self.rows} rows)"
        case = f"promoters of E. coli{quick}"
        job.say(f"dna_guided: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
        unit = lambda metric: "nats" if metric.split("_")[-1] in ("guide", "judge") else ""
        return [Result("dna_guided", case, method, k, v, unit(k), self.seed, "ours") for k, v in values.items()]
