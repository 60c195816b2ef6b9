"""Characters of Shakespeare: a flow's bound beside models that count."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.ngrams import chosen_discount, kneser_ney, nats
from pushforward.bench.results import Result
from pushforward.config import override
from pushforward.core import generator_from
from pushforward.data import Dataset, Windows
from pushforward.flow import Flow
from pushforward.metrics import kmer_distance, with_floor
from pushforward.recipes import load
from pushforward.training import atomic_write

__all__ = ["CharactersSuite"]

NAMES = {1: "unigram", 2: "bigram", 3: "trigram"}
SHOWN = 16
RULE = "-" * 40


@dataclass(frozen=True)
class CharactersSuite:
    """Recipe `characters`, trained on one core, in nats a character of the text that was held out.

    The flow's figure is the bound of `inference.elbo` over windows that do not overlap, each without what stood before
    it. Its standard error is over windows, and holds the noise of the estimate too. Beside it are interpolated
    Kneser-Ney models, their discount chosen within the training text, which see what stood before across the borders of
    windows. Of samples: the distance of their trigrams from held-out ones.

    Args:
        path: The text.
        steps: Of training; None takes the recipe's.
        windows: Held-out windows that are bounded; None takes all.
        strata: Evaluations for each.
        samples: Windows that are generated; the first of them go to `characters.txt`.
        seed: Of training.
    """

    path: str = "sequence/tiny_shakespeare.txt"
    steps: int | None = None
    windows: int | None = None
    strata: int = 8
    samples: int = 64
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Models that count, then the flow."""
        change = {"data.path": self.path, "training.workers": 0, "seed": self.seed}
        flow = Flow(
            override(load("characters"), change | ({} if self.steps is None else {"training.steps": self.steps}))
        )
        started = time.process_time()
        flow.fit()
        minutes = (time.process_time() - started) / 60
        data = flow.dataset()
        yield self._counted(job, data)
        yield self._bounded(job, flow, minutes)
        yield self._sampled(job, flow)

    @property
    def _case(self) -> str:
        return Path(self.path).name.partition(".")[0] + ("" if self.steps is None else f", quick ({self.steps} steps)")

    def _row(self, method: str, metric: str, value: float, unit: str = "", seed: int | None = None) -> Result:
        return Result("characters", self._case, method, metric, value, unit, seed, "ours")

    def _counted(self, job: Job, data: Dataset) -> list[Result]:
        train, test = (cast(Windows, part).text for part in (data.train, data.held_out()))
        vocab = cast(int, data.vocab)
        rows: list[Result] = []
        for order, name in NAMES.items():
            discount = chosen_discount(train, order, vocab)
            value = nats(kneser_ney(train, order, vocab, discount), test)
            rows.append(self._row(f"{name}, Kneser-Ney", "nats_per_character", value, "nats"))
            job.say(f"characters: {name}, discount {discount}: {value:.4f} nats a character")
        return rows

    def _bounded(self, job: Job, flow: Flow, minutes: float) -> list[Result]:
        x = flow.dataset().held_out().take(self.windows or 10**9, self.seed)[0]
        assert isinstance(x, Tensor)
        started = time.process_time()
        bound = flow.elbo(x, strata=self.strata, generator=generator_from(self.seed, "characters", "bound"))
        nats_each = -bound / x.shape[1]
        value, error = float(nats_each.mean()), float(nats_each.std()) / len(x) ** 0.5
        job.say(
            f"characters: flow, {minutes:.1f} CPU minutes: {value:.4f} +- {error:.4f} nats a character "
            f"({len(x)} windows, bounded in {time.process_time() - started:.0f} s)"
        )
        return [
            self._row("flow, bound", "nats_per_character", value, "nats", self.seed),
            self._row("flow, bound", "standard_error", error, "nats", self.seed),
            self._row("flow, bound", "training_cpu_minutes", minutes, "min", self.seed),
        ]

    def _sampled(self, job: Job, flow: Flow) -> list[Result]:
        data, n = flow.dataset(), self.samples
        x = flow.sample(n, generator=generator_from(self.seed, "characters", "samples"))
        test, train = (part.take(10**9)[0] for part in (data.held_out(), data.train))
        assert isinstance(test, Tensor)
        assert isinstance(train, Tensor)
        found = with_floor(
            lambda a, b: kmer_distance(torch.as_tensor(a).long(), torch.as_tensor(b).long(), 3, vocab=data.vocab),
            x,
            test,
            train,
            generator=generator_from(self.seed, "characters", "floor"),
        )
        texts = flow.decode(x[:SHOWN])
        atomic_write(job.out / "characters.txt", ("\n" + RULE + "\n").join(texts).encode())
        job.say(f"characters: {n} samples, trigram distance {found.value:.4f} (floor {found.floor:.4f}); the first:")
        job.say(texts[0])
        return [
            self._row("flow, samples", "trigram_distance", found.value, "", self.seed),
            self._row("flow, samples", "trigram_distance_floor", found.floor, "", self.seed),
        ]
