"""What a training step of a flow map costs, in steps of flow matching."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Pairs, generator_from, randn
from pushforward.nets import MLP, DiT, ResidualMLP, UNet
from pushforward.objectives import FlowMatching, MeanFlow, Shortcut, SplitMeanFlow
from pushforward.objectives.flow_maps import FlowMapMatching, SortedPair, Tangent

__all__ = ["FewStepCost"]

NETS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...], int]] = {
    "MLP 4 x 96, plane, batch 256": (partial(MLP, width=96, depth=4, activation="silu"), (2,), 256),
    "ResidualMLP 4 x 256, 8 x 8, batch 256": (ResidualMLP, (1, 8, 8), 256),
    "UNet 16, 28 x 28, batch 64": (partial(UNet, width=16), (1, 28, 28), 64),
    "DiT 64 x 2, 8 x 8, batch 128": (partial(DiT, width=64, depth=2), (1, 8, 8), 128),
}
DIFFERENCE = 5e-3
ENTRANTS: dict[str, tuple[Any, int]] = {  # objective, times that the network is told
    "flow matching": (FlowMatching(), 1),
    "MeanFlow": (MeanFlow(), 2),
    "MeanFlow, central difference": (MeanFlow(difference=DIFFERENCE), 2),
    "MeanFlow, s = t in 1/4": (MeanFlow(intervals=SortedPair(still=0.25)), 2),
    "derivative differentiated (lambda = 1)": (FlowMapMatching(rule=Tangent(through=1.0)), 2),
    "SplitMeanFlow": (SplitMeanFlow(), 2),
    "Shortcut, s = t in 3/10": (Shortcut(still=0.3), 2),
}


@dataclass(frozen=True)
class FewStepCost:
    """Time of a training step (loss, gradient, AdamW) on one CPU thread, over that of flow matching.

    The same network, told one time or two, on the same batch; the entrants take turns, and the number is the median
    over all their steps of the process's own time.

    Args:
        steps: Of every entrant in a turn.
        turns: How often each comes.
    """

    steps: int = 8
    turns: int = 5

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One network after the other."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for case, (build, shape, size) in NETS.items():
                yield self._case(job, case, build, shape, size)
        finally:
            torch.set_num_threads(threads)

    def _case(
        self, job: Job, case: str, build: Callable[..., nn.Module], shape: tuple[int, ...], size: int
    ) -> list[Result]:
        generator = generator_from(0, "few_step_cost")
        batch = Pairs(tuple(randn((size, *shape), torch.empty(0), generator=generator) for _ in range(2)))
        nets = {name: build(shape, times=times) for name, (_, times) in ENTRANTS.items()}
        spent: dict[str, list[float]] = {name: [] for name in ENTRANTS}
        for _ in range(self.turns):
            for name, (objective, _) in ENTRANTS.items():
                spent[name] += _steps(objective, nets[name], batch, self.steps)
        medians = {name: statistics.median(times) for name, times in spent.items()}
        rows = [
            Result("few_step_cost", case, name, "step_seconds", t, "s", None, "ours") for name, t in medians.items()
        ]
        base = medians["flow matching"]
        ratios = {name: t / base for name, t in medians.items()}
        job.say(f"{case}: " + ", ".join(f"{name} {ratio:.2f}x" for name, ratio in ratios.items()))
        return rows + [
            Result("few_step_cost", case, name, "over_flow_matching", ratio, "", None, "ours")
            for name, ratio in ratios.items()
        ]


def _steps(objective: Any, net: nn.Module, batch: Pairs, number: int) -> list[float]:
    """Seconds of the process for every step but the first, which warms up."""
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4, fused=True)
    found: list[float] = []
    for _ in range(number):
        started = time.process_time()
        objective(net, batch).value.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(time.process_time() - started)
    return found[1:]
