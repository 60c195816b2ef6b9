"""DNA: promoters of four organisms, by their spectra and by a network that recognises them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pushforward.bench.dna_figure import figure
from pushforward.bench.dna_flows import FLOWS
from pushforward.bench.dna_parts import (
    GROUPS,
    Group,
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
from pushforward.core import InvalidInput, categorical, generator_from
from pushforward.metrics import copies
from pushforward.training import atomic_write

__all__ = ["DNAPromoters"]

FLOOR_DRAWS = 20  # choices of learned rows that the floor of a spectrum is the mean over


@dataclass(frozen=True)
class DNAPromoters:
    r"""Flows over DNA that are told the organism, and whether to write a promoter; by class and over all.

    Bacterial sequences have 81 letters and eukaryotic ones 251, and so each a network of its own: padding would cost
    three times the work on the short ones, and two kinds of life share few motifs. Both are learned by discrete flow
    matching from the mask, the short ones by Dirichlet flow matching, too. Held-out rows judge:

    - `spectrum`: distance of the shares of all words of four letters, samples to held-out rows, as many of both;
      `spectrum_over_floor` over that of as many learned rows, mean over choices of these. 1 is perfect.
    - `called`: share that a network which recognises the classes (of both organisms) calls what was asked for;
      `called_over_real` over that of held-out rows.
    - `nearest`: median share of letters that differ from the nearest learned sequence, and `copies` the share of
      sequences nearer than nearly all held-out ones are. Held-out rows beside.
    - `box`: share with the box of promoters where it belongs (TATAAT at -15 to -8, TATAAA at -36 to -26 of the start;
      one letter may differ).

    Beside the flows the null: letters drawn place by place, each with its share in the class. Without the file there
    is no measurement.

    Args:
        groups: Of `GROUPS`.
        flows: Of `FLOWS`; a group may have fewer.
        steps: Of training, batches of 16, for bacteria and for eukaryotes; stopped earlier if held-out loss rises.
        recogniser_steps: Of the network that judges.
        turns: Samples over held-out rows, a whole number.
        follow: Steps of the solver.
        seed: Of everything.

    Writes `dna_GROUP.png`: logos around the box, real and generated, and the spectra.
    """

    groups: tuple[str, ...] = ("bacteria", "eukaryotes")
    flows: tuple[str, ...] = ("masked", "Dirichlet")
    steps: tuple[int, int] = (3500, 2500)
    recogniser_steps: int = 300
    turns: int = 1
    follow: int = 50
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One group after the other: real rows, the null, the flows."""
        for name, steps in zip(GROUPS, self.steps, strict=True):
            if name not in self.groups:
                continue
            try:
                parts = promoters(*GROUPS[name].organisms, seed=self.seed)
            except InvalidInput as error:
                job.say(f"dna: left out: {error}")
                return
            yield from self._group(job, name, parts, steps)

    def _group(self, job: Job, group: str, parts: Parts, steps: int) -> Iterator[list[Result]]:
        judge = _Judge.of(group, parts, self.recogniser_steps, self.seed)
        held, label = rows_of(parts.held)

        def told(method: str, x: Tensor, labels: Tensor, seconds: float | None = None) -> list[Result]:
            rows: list[Result] = []
            figures = judge.figures(x, labels)
            if seconds is not None:
                figures["all classes"]["training_seconds"] = seconds
            for case, values in figures.items():
                job.say(f"dna: {case}{self._budget}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
                unit = lambda metric: "s" if metric == "training_seconds" else ""
                where = f"{group}: {case}{self._budget}"
                rows += [Result("dna", where, method, k, v, unit(k), self.seed, "ours") for k, v in values.items()]
            return rows

        yield told("held-out rows", held, label)
        asked = label.repeat(self.turns)
        yield told("letters by place", self._by_place(parts, asked), asked)
        kind = GROUPS[group]
        for method in [name for name in kind.flows if name in self.flows]:
            started = time.perf_counter()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                flow = FLOWS[method](len(parts.names), kind)
            field, best = flow.fitted(parts, steps=steps, seed=self.seed)
            seconds = time.perf_counter() - started
            job.say(f"dna: {group}{self._budget}, {method}: {seconds:.0f} s, best after {best} of {steps} steps")
            made = flow.draws(field, held.shape[1], asked, len(asked), steps=self.follow, seed=self.seed)
            yield told(method, made, asked, seconds)
            if method == kind.flows[0]:
                picture = figure(held, label, made, asked, parts.names, start=kind.start, method=method)
                atomic_write(job.out / f"dna_{group}.png", picture)

    def _by_place(self, parts: Parts, asked: Tensor) -> Tensor:
        x, label = rows_of(parts.learn)
        shares = torch.stack([one_hot(x[label == c], 4).double().mean(0) for c in range(len(parts.names))])
        return categorical(shares[asked], generator=generator_from(self.seed, "dna", "by place"))

    @property
    def _budget(self) -> str:
        full = DNAPromoters(groups=self.groups, flows=self.flows, seed=self.seed)
        return "" if self == full else f", quick ({', '.join(map(str, self.steps))} steps)"


class _Judge(NamedTuple):
    """All that a set of sequences is judged by."""

    group: Group
    parts: Parts
    net: nn.Module
    seed: int

    @classmethod
    def of(cls, group: str, parts: Parts, steps: int, seed: int) -> "_Judge":
        net = recogniser(parts.learn, parts.stop, len(parts.names), steps=steps, seed=seed)
        return cls(GROUPS[group], parts, net, seed)

    def figures(self, x: Tensor, label: Tensor) -> dict[str, dict[str, float]]:
        """By case: all classes, then one after the other."""
        _, held_label = rows_of(self.parts.held)
        cases = {
            "all classes": (torch.ones_like(label, dtype=torch.bool), torch.ones_like(held_label, dtype=torch.bool))
        }
        cases |= {name: (label == c, held_label == c) for c, name in enumerate(self.parts.names)}
        return {case: self._figures(x[chosen], label[chosen], real) for case, (chosen, real) in cases.items()}

    def _figures(self, x: Tensor, label: Tensor, real: Tensor) -> dict[str, float]:
        (held, held_label), (learned, learned_label) = rows_of(self.parts.held), rows_of(self.parts.learn)
        held, held_label = held[real], held_label[real]
        gen = generator_from(self.seed, "dna", "spectra")
        draws = lambda y, c, n: spectrum_distance(y, c, held, held_label, draws=n, generator=gen)
        floor = draws(learned, learned_label, FLOOR_DRAWS)
        spectrum = draws(x, label, FLOOR_DRAWS) if len(x) > len(held) else draws(x, label, 1)
        called, called_real = self._called(x, label), self._called(held, held_label)
        nearest = hamming(x, learned).amin(1).median() / x.shape[1]
        vectors = [one_hot(part, 4).flatten(1).float() for part in (x, learned, held)]
        return {
            "spectrum": spectrum,
            "spectrum_floor": floor,
            "spectrum_over_floor": spectrum / floor,
            "called": called,
            "called_over_real": called / called_real,
            "nearest": float(nearest),
            "copies": copies(*vectors, quantile=0.05),
            "box": float(has_box(x, self.group.box, self.group.start).double().mean()),
        }

    @torch.no_grad()
    def _called(self, x: Tensor, label: Tensor) -> float:
        return float((self.net(x, torch.ones(len(x))).argmax(1) == label).double().mean())
