"""Handwritten digits in one, two, four and fifty calls of one network."""

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.config import override
from pushforward.flow import Flow, evaluate
from pushforward.recipes import load
from pushforward.training import atomic_write

__all__ = ["DigitsOneStep"]

METRICS = ("class_accuracy", "wasserstein", "wasserstein_floor", "frechet", "recall", "copies", "copies_floor")
COLUMNS = 20


@dataclass(frozen=True)
class DigitsOneStep:
    """Recipe `digits_one_step` at so many calls, and `digits`, a flow of many steps, beside it.

    The metrics are those of `evaluate`; `wasserstein_over_floor` is their quotient. A picture per seed shows the same
    twenty noises in a row per number of calls.

    Args:
        steps: Of training; None takes the recipe's.
        calls: Of the network.
        seeds: Of training.
    """

    steps: int | None = None
    calls: tuple[int, ...] = (1, 2, 4, 50)
    seeds: tuple[int, ...] = (0, 1, 2)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Every seed: the flow map at all numbers of calls, then the flow."""
        for seed in self.seeds:
            flow, seconds = self._fit("digits_one_step", seed)
            rows = {f"{number} calls" if number > 1 else "1 call": _at(flow, number) for number in self.calls}
            atomic_write(job.out / f"digits_one_step_{seed}.png", picture(flow, self.calls))
            for name, values in rows.items():
                yield self._rows(job, "digits_one_step", name, seed, {**values, "training_seconds": seconds})
            many, seconds = self._fit("digits", seed)
            values = _at(many, many.config.sampling.steps)
            yield self._rows(job, "digits", "flow, as its recipe says", seed, {**values, "training_seconds": seconds})

    def _fit(self, recipe: str, seed: int) -> tuple[Flow, float]:
        change: dict[str, Any] = {"seed": seed} | ({} if self.steps is None else {"training.steps": self.steps})
        flow, started = Flow(override(load(recipe), change)), time.perf_counter()
        flow.fit()
        return flow, time.perf_counter() - started

    def _rows(self, job: Job, case: str, name: str, seed: int, values: Mapping[str, float]) -> list[Result]:
        case = case if self.steps is None else f"{case}, quick ({self.steps} steps)"
        job.say(f"{case}: seed {seed}, {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
        return [
            Result("digits_one_step", case, name, k, v, "s" if k.endswith("seconds") else "", seed, "ours")
            for k, v in values.items()
        ]


def _called(flow: Flow, number: int) -> Flow:
    """The same flow, which takes so many steps."""
    found = copy.copy(flow)
    found.config_ = replace(flow.config_, sampling=replace(flow.config_.sampling, steps=number))
    return found


def _at(flow: Flow, number: int) -> dict[str, float]:
    found = evaluate(_called(flow, number)).metrics
    kept = {name: float(found[name]) for name in METRICS}
    return kept | {"wasserstein_over_floor": kept["wasserstein"] / kept["wasserstein_floor"]}


def picture(flow: Flow, calls: tuple[int, ...]) -> bytes:
    """A PNG: a row per number of calls, a column per noise and label."""
    labels = torch.arange(COLUMNS) % 10
    drawn: list[Tensor] = []
    for number in calls:
        generator = torch.Generator().manual_seed(0)
        drawn.append(flow.sample(COLUMNS, labels, steps=number, generator=generator).reshape(COLUMNS, 8, 8))
    page = Figure(figsize=(11, 0.62 * len(calls) + 0.5), layout="constrained", dpi=150)
    low, high = float(torch.stack(drawn).min()), float(torch.stack(drawn).max())
    axes = page.subplots(len(calls), 1, squeeze=False)[:, 0]
    for ax, number, images in zip(axes, calls, drawn, strict=True):
        framed = torch.nn.functional.pad(images, (1, 1, 1, 1), value=low + 0.15 * (high - low))
        ax.imshow(np.concatenate(list(framed.numpy()), 1), cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
        ax.set_ylabel(f"{number} call{'s' if number > 1 else ''}", rotation=0, ha="right", va="center", fontsize=9)
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set_visible(False)
    page.suptitle("The same noises in 1, 2, 4 and 50 calls of one network" if len(calls) == 4 else "", fontsize=10)
    buffer = BytesIO()
    FigureCanvasAgg(page).print_png(buffer)
    return buffer.getvalue()
