"""Layouts: one flow, several tasks, judged by how tidy they are."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.layout_figure import figure
from pushforward.bench.results import Result
from pushforward.core import InvalidInput, generator_from, randperm
from pushforward.data import Dataset, RicoLayouts
from pushforward.fields import Held
from pushforward.metrics import alignment, overlap, sliced_wasserstein
from pushforward.nets import SetTransformer
from pushforward.objectives import (
    ElementsGiven,
    LabelsAndSizesGiven,
    LabelsGiven,
    LayoutFlow,
    Stratified,
    Whole,
)
from pushforward.solvers import Euler, solve
from pushforward.training import Feed, Training, atomic_write, train

__all__ = ["Layout"]

TASKS = {
    "unconditional": Whole(),
    "labels given": LabelsGiven(),
    "labels and sizes given": LabelsAndSizesGiven(),
    "completion": ElementsGiven(),
}
SHAKEN = 0.05  # what is refined: boxes with so much normal noise, in units of the code
LATE = 0.97  # from when on


@dataclass(frozen=True)
class Layout:
    """LayoutFlow on the screens of RICO, with one small network for all tasks.

    `overlap` and `alignment` are means over layouts: near those of held-out screens is good, not near 0. The mean of
    the alignment hangs on a few odd screens, of which `alignment_median` knows nothing.
    `box_distance` is the sliced Wasserstein distance between the boxes of generated and held-out elements,
    `label_variation` the total variation between their labels. Beside them two references: other screens of the data,
    and held-out screens whose boxes were dealt anew among all elements. `given_moved` is the largest change of what
    was given. Refinement starts from held-out screens with noise on their boxes. Without the file there is no
    measurement. The budget is a small one: the authors train a network of four times the width for 1000 epochs. A
    picture shows real screens above generated ones.

    Args:
        steps: Of the training, 32 layouts each.
        layouts: That are generated, and held-out ones that judge them.
        seed: Of everything.
    """

    steps: int = 6000
    layouts: int = 700
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """References, then one task after the other."""
        try:
            data = RicoLayouts(seed=self.seed).load()
        except InvalidInput as error:
            job.say(f"layout: left out: {error}")
            return
        quick = "" if self == Layout(seed=self.seed) else f", quick ({self.steps} steps, {self.layouts} layouts)"
        case = f"RICO screens{quick}"
        (x, real), (other, other_real) = (_rows(part, self.layouts) for part in (data.held_out(), data.train))
        dealt = x.clone()
        there = real > 0
        dealt[there] = x[there][randperm(int(there.sum()), x, generator=generator_from(self.seed, "layout", "deal"))]

        def told(method: str, values: dict[str, float]) -> list[Result]:
            job.say(f"layout: {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
            unit = lambda metric: "s" if metric.endswith("seconds") else ""
            return [Result("layout", case, method, k, v, unit(k), self.seed, "ours") for k, v in values.items()]

        yield told("held-out screens", _tidy(x, real))
        yield told("other screens of the data", _tidy(other, other_real) | _apart(other, other_real, x, real))
        yield told("boxes dealt anew", _tidy(dealt, real) | _apart(dealt, real, x, real))
        started = time.process_time()
        objective = LayoutFlow(draw=Stratified())
        field = self._train(objective, data)
        yield told("training", {"training_cpu_seconds": time.process_time() - started})
        times, screens = torch.linspace(0, 1, 100), {"held-out screens": RicoLayouts.code().decode(x)}
        for name, task in TASKS.items():
            gen = generator_from(self.seed, "layout", name)
            marks = task.generate(real, x.shape[2], generator=gen)
            made = _follow(field, objective.start(x, marks, generator=gen), times, real, marks)
            screens[name] = RicoLayouts.code().decode(made)
            moved = {"given_moved": float(((made - x).abs() * (1 - marks)).max())}
            yield told(name, _tidy(made, real) | _apart(made, real, x, real) | moved)
        yield told("shaken, then refined", self._refined(field, x, real))
        atomic_write(job.out / "layout.png", figure(screens, real, labels=RicoLayouts.code().labels, title=case))
        job.say(f"layout: {job.out / 'layout.png'} shows real and generated screens")

    def _refined(self, field: Held, x: Tensor, real: Tensor) -> dict[str, float]:
        marks = LabelsGiven().generate(real, x.shape[2])
        noise = torch.randn(x.shape, generator=generator_from(self.seed, "layout", "shake"))
        shaken = x + SHAKEN * noise * marks
        made = _follow(field, shaken, torch.linspace(LATE, 1, 11), real, marks)
        error = lambda y: float(((y - x).square() * marks).sum() / marks.sum()) ** 0.5
        return _tidy(made, real) | {
            "alignment_before": _tidy(shaken, real)["alignment"],
            "error_before": error(shaken),
            "error": error(made),
        }

    def _train(self, objective: LayoutFlow, data: Dataset) -> Held:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = SetTransformer(data.train.take(1)[0].shape[2], width=128, depth=4)  # pyright: ignore[reportAttributeAccessIssue]
        settings = Training(
            self.steps, 32, 1e-3, 0.0, warmup=min(100, self.steps), ema=0.998, device="cpu", workers=0, weight_decay=0.0
        )
        return objective.field(train(net, objective, Feed(data.train), settings, seed=self.seed).net.eval())


def _rows(part: Any, n: int) -> tuple[Tensor, Tensor]:
    x, cond = part.take(n, seed=1)
    return x, cond["real"]


@torch.no_grad()
def _follow(field: Held, x: Tensor, times: Tensor, real: Tensor, marks: Tensor) -> Tensor:
    return cast(Tensor, solve(field, x, times, solver=Euler(), cond={"real": real, "generate": marks}).x)


def _tidy(x: Tensor, real: Tensor) -> dict[str, float]:
    boxes, _ = RicoLayouts.code().decode(x)
    lined = alignment(boxes, real)
    return {
        "overlap": float(overlap(boxes, real).mean()),
        "alignment": float(lined.mean()),
        "alignment_median": float(lined.median()),
    }


def _apart(x: Tensor, real: Tensor, y: Tensor, other: Tensor) -> dict[str, float]:
    code = RicoLayouts.code()
    (a, labels), (b, others) = (code.decode(part[there > 0]) for part, there in ((x, real), (y, other)))
    n = min(len(a), len(b))
    shares = [label.bincount(minlength=code.labels) / len(label) for label in (labels, others)]
    distance = sliced_wasserstein(a[:n], b[:n])
    return {"box_distance": float(distance), "label_variation": float((shares[0] - shares[1]).abs().sum() / 2)}
