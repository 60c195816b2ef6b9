"""Exact couplings of a batch, the matrix of costs included."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pushforward.bench.job import Job
from pushforward.bench.race import race
from pushforward.bench.results import Result
from pushforward.couplings import ExactOT
from pushforward.data import EightGaussians
from pushforward.transport import auction, squared_euclidean

__all__ = ["ExactCouplings", "clouds"]

Entry = tuple[str, str]  # method, source


def clouds(n: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normal noise, and 8 Gaussians in the plane or smooth images in [-1, 1] of d pixels, a square."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, d, generator=generator)
    if d == 2:
        return noise, EightGaussians().sample(n, generator=generator)
    side = round(d**0.5)
    coarse = torch.randn(n, 1, 7, 7, generator=generator)
    return noise, interpolate(coarse, size=(side, side), mode="bicubic").tanh().reshape(n, d)


@dataclass(frozen=True)
class ExactCouplings:
    """Least-cost pairs of two batches of one size: time from the points to the pairs, and how far from the optimum.

    Peers are called as their users call them, on the same float32 points: POT's `dist` and `emd`, with its limit of
    iterations raised; torchcfm's `OTPlanSampler`, which draws the pairs from that plan (its limit is POT's default, too
    low for the largest batches). scipy's `linear_sum_assignment` is handed our matrix of costs, as its own distances
    would take most of the time in 784 dimensions. Times are CPU times of the process.

    Args:
        sizes: Rows of a batch.
        dimensions: 2, or a square number.
        repeats: Batches of every size, which all contestants solve in turns.
        tolerance: Relative duality gap of ours.
    """

    sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    dimensions: tuple[int, ...] = (2, 784)
    repeats: int = 5
    tolerance: float = 1e-6

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Milliseconds of a batch, the largest certified gap over the cost, and ratios to the peers."""
        for d in self.dimensions:
            for n in self.sizes:
                case = f"exact, n {n}, d {d}, 1 thread, {self.repeats} batches"
                job.say(f"couplings: {case}")
                batches = [clouds(n, d, seed) for seed in range(self.repeats)]
                rates = race(
                    self._contestants(batches, job.peers), steps=1, repeats=self.repeats, clock=time.process_time
                )
                rows = [
                    Result("couplings", case, method, "time", 1e3 / rate, "ms", None, source)
                    for (method, source), rate in rates.items()
                ]
                ours = rates["ExactOT", "ours"]
                for (method, source), rate in rates.items():
                    if source != "ours":
                        name = f"ExactOT over {method} of {source}"
                        rows.append(Result("couplings", case, name, "speedup", ours / rate, "x", None, "ours"))
                gap = max(self._gap(*batch) for batch in batches)
                rows.append(Result("couplings", case, "ExactOT", "relative_gap", gap, "", None, "ours"))
                yield rows

    def _gap(self, x0: Tensor, x1: Tensor) -> float:
        """Certified bound on what ours costs above the optimum, over the cost."""
        cost = squared_euclidean(x1, x0)
        found = auction(cost, tolerance=self.tolerance)
        return found.gap / float(cost.gather(1, found.permutation[:, None]).double().mean())

    def _contestants(
        self, batches: list[tuple[Tensor, Tensor]], peers: tuple[str, ...]
    ) -> dict[Entry, Callable[[int], object]]:
        def turns(solve: Callable[[Tensor, Tensor], object]) -> Callable[[int], object]:
            # the turn that does not count takes the last batch, so that the others start with the first
            queue = cycle([batches[-1], *batches[:-1]])
            return lambda steps: [solve(*next(queue)) for _ in range(steps)]

        found = {("ExactOT", "ours"): turns(ExactOT(tolerance=self.tolerance))}
        if "pot" in peers:
            found["emd", "pot"] = turns(_pot)
        if "scipy" in peers:
            found["linear_sum_assignment", "scipy"] = turns(_scipy)
        if "torchcfm" in peers:
            found["OTPlanSampler", "torchcfm"] = turns(_torchcfm())
        return found


def _pot(x0: Tensor, x1: Tensor) -> object:
    import ot

    return ot.emd([], [], ot.dist(x0.numpy(), x1.numpy()), numItermax=10**9)


def _scipy(x0: Tensor, x1: Tensor) -> object:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(squared_euclidean(x0, x1).numpy())


def _torchcfm() -> Callable[[Tensor, Tensor], object]:
    import warnings

    from torchcfm.optimal_transport import OTPlanSampler  # pyright: ignore[reportMissingImports]

    sampler = OTPlanSampler(method="exact", warn=False)

    def solve(x0: Tensor, x1: Tensor) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that POT stopped early
            return sampler.sample_plan(x0, x1)

    return solve
