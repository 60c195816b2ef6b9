"""How many training steps a second, transport included."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from pushforward.bench.job import Job
from pushforward.bench.race import race, threads
from pushforward.bench.results import Result
from pushforward.bench.tutorial import train_torchcfm
from pushforward.config import Experiment, override, parse
from pushforward.data import EightGaussians, Moons
from pushforward.recipes import load

__all__ = ["TrainingSpeed"]

Entry = tuple[str, str]  # method, source


@dataclass(frozen=True)
class TrainingSpeed:
    """The recipe `8gaussians_to_moons`, coupled within the batch, against torchcfm's tutorial loop: same data, network,
    batch and machine.

    Ours is the shipped loop as a user gets it (`Experiment.train`: worker process, clipping, average of the weights,
    logging, its start-up at every turn); torchcfm's is its tutorial's, which does none of that. `Independent` over
    `ExactOT` is what the transport costs. Each is timed at torch's default number of threads and at one; the process
    that prepares our batches comes on top.

    Args:
        steps: Of a turn.
        repeats: Turns of each contestant that count.
    """

    steps: int = 1000
    repeats: int = 5

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Rates, and for each peer the ratio of ours to its."""
        for number in dict.fromkeys((torch.get_num_threads(), 1)):
            case = f"8 gaussians -> moons, batch 256, torch threads {number}, {self.repeats} x {self.steps} steps"
            job.say(f"training_speed: {case}")
            with threads(number):
                rates = race(_contestants(job.peers), steps=self.steps, repeats=self.repeats)
            rows = [
                Result("training_speed", case, method, "steps_per_second", rate, "1/s", None, source)
                for (method, source), rate in rates.items()
            ]
            rivals = [(("ExactOT", "ours"), ("OT-CFM", peer)) for peer in job.peers]
            rivals += [(("Independent", "ours"), ("I-CFM", peer)) for peer in job.peers]
            rivals += [(("Independent", "ours"), ("ExactOT", "ours"))]  # what the transport costs
            for one, other in rivals:
                if other in rates:  # a peer without a training loop is not
                    method, ratio = f"{one[0]} over {other[0]} of {other[1]}", rates[one] / rates[other]
                    rows.append(Result("training_speed", case, method, "speedup", ratio, "x", None, "ours"))
            for row in rows:
                job.say(f"  {row.method} ({row.source}): {row.value:.4g} {row.unit}")
            yield rows


def _contestants(peers: tuple[str, ...]) -> dict[Entry, Callable[[int], object]]:
    def ours(coupling: str) -> Callable[[int], object]:
        def go(steps: int) -> Any:
            changes = {"coupling": coupling, "training.coupling_batches": 1, "training.steps": steps}
            spec = override(load("8gaussians_to_moons"), changes)
            return Experiment.of(parse(spec)).train()

        return go

    def theirs(method: str) -> Callable[[int], object]:
        return lambda steps: train_torchcfm(method, EightGaussians().sample, Moons().sample, steps=steps, seed=0)

    found: dict[Entry, Callable[[int], object]] = {(name, "ours"): ours(name) for name in ("ExactOT", "Independent")}
    if "torchcfm" in peers:
        found |= {(name, "torchcfm"): theirs(name) for name in ("OT-CFM", "I-CFM")}
    return found
