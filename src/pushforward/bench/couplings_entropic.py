"""Entropic plans, sliced distances and energy distances, against those of other libraries."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import InvalidInput, generator_from, randn
from pushforward.data import EightGaussians
from pushforward.metrics import RandomDirections, energy_distance, sliced_wasserstein
from pushforward.transport import entropic_ot, sinkhorn_newton_sparse, squared_euclidean

__all__ = ["CouplingsEntropic"]

_TOLERANCE = 1e-6  # L1 error of the marginals


class _Entrant(NamedTuple):
    """`go` gives what `check` can judge; `turns` of it count, because some take a minute."""

    method: str
    source: str
    go: Callable[[], Any]
    turns: int


@dataclass(frozen=True)
class CouplingsEntropic:
    """CPU times of the process and ratios; medians over turns that interleave.

    Entropic: Gaussian noise against eight Gaussians in the plane, new in every turn, float64, uniform weights, until
    the L1 error of both marginals is 1e-6 or less; every peer's own stopping rule is set to that, and the errors that
    they reached are reported. Sparse: Newton's method with a sparse Hessian beside `entropic_ot` where epsilon is
    small, on such clouds and on uniform random costs; as it may fail, with the share of the problems that it solved.
    Sliced: both of POT's backends. Energy: `torch.cdist` in blocks of 2,000 rows stands for what one writes by hand.

    Args:
        sizes: Points of each entropic problem.
        strengths: Epsilons over the mean cost.
        sparse_size: Points of each problem for Newton's method.
        sparse_strengths: Epsilons over the mean cost of these.
        points: Of the sliced distance.
        directions: Of the sliced distance.
        energy_points: Of the energy distance, in each set.
        repeats: Turns that count; those that take a minute have one.
    """

    sizes: tuple[int, ...] = (512, 2048)
    strengths: tuple[float, ...] = (0.05, 0.005)
    sparse_size: int = 512
    sparse_strengths: tuple[float, ...] = (0.005, 0.002, 0.001, 0.0005)
    points: int = 100_000
    directions: int = 500
    energy_points: int = 10_000
    repeats: int = 5

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One case after the other."""
        for n in self.sizes:
            for strength in self.strengths:
                yield self._entropic(job, n, strength)
        for name, problem in (("uniform random costs", _uniform), ("eight Gaussians", _clouds)):
            for strength in self.sparse_strengths:
                yield self._sparse(job, name, problem, strength)
        yield self._sliced(job)
        yield self._energy(job)

    def _entropic(self, job: Job, n: int, strength: float) -> list[Result]:
        case = f"entropic, n {n}, d 2, epsilon {strength} of the mean cost, L1 error {_TOLERANCE:g}"
        problems = iter(_clouds(n, seed) for seed in range(10**6))
        holder = {"cost": next(problems)}

        def renew() -> None:
            holder["cost"] = next(problems)

        entrants = _entropic_entrants(holder, strength, job.peers, self.repeats, slow=n > 1000)
        rows = _run(case, entrants, job, renew)
        for entrant in entrants:
            error = _marginal_error(entrant.go())
            rows.append(Result("couplings", case, entrant.method, "marginal_error", error, "", None, entrant.source))
        return rows

    def _sparse(self, job: Job, name: str, problem: Callable[[int, int], Tensor], strength: float) -> list[Result]:
        case = f"sparse Newton, {name}, n {self.sparse_size}, epsilon {strength} of the mean cost"
        job.say(f"couplings: {case}")
        methods = {"entropic_ot": entropic_ot, "sinkhorn_newton_sparse": sinkhorn_newton_sparse}
        times: dict[str, list[float]] = {method: [] for method in methods}
        for seed in range(min(3, self.repeats)):
            cost = problem(self.sparse_size, seed)
            for method, solve in methods.items():
                started = time.process_time()
                try:
                    solve(cost, strength, relative=True, tolerance=_TOLERANCE)
                except InvalidInput:
                    continue
                times[method].append(1e3 * (time.process_time() - started))
        rows = []
        for method, solved in times.items():
            share = len(solved) / min(3, self.repeats)
            rows.append(Result("couplings", case, method, "solved", share, "", None, "ours"))
            if solved:
                rows.append(Result("couplings", case, method, "time", median(solved), "ms", None, "ours"))
        if all(times.values()):
            ratio = median(times["sinkhorn_newton_sparse"]) / median(times["entropic_ot"])
            label = "entropic_ot over sinkhorn_newton_sparse of ours"
            rows.append(Result("couplings", case, label, "speedup", ratio, "x", None, "ours"))
        return rows

    def _sliced(self, job: Job) -> list[Result]:
        case = f"sliced W2, {self.points} points, d 2, {self.directions} directions"
        generator = generator_from(0, "bench", "sliced")
        x, y = (randn((self.points, 2), torch.empty(0), generator=generator) + shift for shift in (0, 1))
        rule = RandomDirections()

        def ours() -> float:
            return float(sliced_wasserstein(x, y, directions=self.directions, rule=rule, generator=generator))

        entrants = [
            _Entrant("sliced_wasserstein", "ours", ours, self.repeats),
            _Entrant("sliced_wasserstein, 32 equispaced", "ours", lambda: sliced_wasserstein(x, y, directions=32), 1),
        ]
        if "pot" in job.peers:
            import ot

            def theirs(a: Any, b: Any) -> Callable[[], object]:
                return lambda: ot.sliced_wasserstein_distance(a, b, n_projections=self.directions, seed=0)

            entrants += [
                _Entrant("sliced_wasserstein_distance, numpy", "pot", theirs(x.numpy(), y.numpy()), 1),
                _Entrant("sliced_wasserstein_distance, torch", "pot", theirs(x, y), 1),
            ]
        return _run(case, entrants, job)

    def _energy(self, job: Job) -> list[Result]:
        case = f"energy distance, {self.energy_points} points, d 2"
        generator = generator_from(0, "bench", "energy")
        x, y = (randn((self.energy_points, 2), torch.empty(0), generator=generator) + shift for shift in (0, 0.1))
        entrants = [
            _Entrant("energy_distance", "ours", lambda: energy_distance(x, y), self.repeats),
            _Entrant("cdist in blocks", "torch", lambda: _by_hand(x, y), min(3, self.repeats)),
        ]
        if "geomloss" in job.peers:
            from geomloss import SamplesLoss  # pyright: ignore[reportMissingImports]

            loss = SamplesLoss("energy", backend="tensorized")
            entrants.append(_Entrant("SamplesLoss energy", "geomloss", lambda: 2 * loss(x, y), 1))
        return _run(case, entrants, job)


def _clouds(n: int, seed: int) -> Tensor:
    generator = generator_from(seed, "bench", "entropic")
    x = torch.randn(n, 2, dtype=torch.float64, generator=generator)
    return squared_euclidean(x, EightGaussians().sample(n, generator=generator).double())


def _uniform(n: int, seed: int) -> Tensor:
    return torch.rand(n, n, dtype=torch.float64, generator=generator_from(seed, "bench", "uniform"))


def _by_hand(x: Tensor, y: Tensor) -> Tensor:
    def mean(a: Tensor, b: Tensor) -> Tensor:
        total = torch.stack([torch.cdist(rows, b).sum(dtype=torch.float64) for rows in a.split(2000)]).sum()
        return total / (len(a) * len(b))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def _marginal_error(plan: Any) -> float:
    """The L1 error of the worse marginal, added up in float64."""
    plan = np.asarray(plan, dtype=np.float64)
    n, m = plan.shape
    return float(max(np.abs(plan.sum(1) - 1 / n).sum(), np.abs(plan.sum(0) - 1 / m).sum()))


def _entropic_entrants(
    holder: Mapping[str, Tensor], strength: float, peers: tuple[str, ...], repeats: int, *, slow: bool
) -> list[_Entrant]:
    def ours() -> Tensor:
        return entropic_ot(holder["cost"], strength, relative=True, tolerance=_TOLERANCE).plan

    def sparse() -> Tensor:
        # 60 entries a row: at these epsilons the plan is 10 to 50 % dense, and the usual 15 would not do
        found = sinkhorn_newton_sparse(holder["cost"], strength, relative=True, tolerance=_TOLERANCE, per_row=60)
        return found.plan

    entrants = [_Entrant("entropic_ot", "ours", ours, repeats)]
    if not slow:
        entrants.append(_Entrant("sinkhorn_newton_sparse", "ours", sparse, min(3, repeats)))
    few = 1 if slow else min(3, repeats)
    if "pot" in peers:
        entrants += [
            _Entrant("sinkhorn (kernel)", "pot", _pot(holder, strength, "sinkhorn", np.asarray), repeats),
            _Entrant("sinkhorn_log, numpy", "pot", _pot(holder, strength, "sinkhorn_log", np.asarray), few),
            _Entrant("sinkhorn_log, torch", "pot", _pot(holder, strength, "sinkhorn_log", torch.as_tensor), few),
        ]
    if "ott" in peers:
        entrants.append(_Entrant("Sinkhorn (log-domain, jitted)", "ott", _ott(holder, strength), few))
    return entrants


def _pot(
    holder: Mapping[str, Tensor], strength: float, method: str, backend: Callable[[Any], Any]
) -> Callable[[], Any]:
    import ot

    def go() -> Any:
        cost = holder["cost"]
        weights = backend(np.full(len(cost), 1 / len(cost)))
        # its errors are Euclidean norms; the L1 error is up to sqrt(n) of them
        stop, epsilon = _TOLERANCE / len(cost) ** 0.5, strength * float(cost.mean())
        return ot.sinkhorn(
            weights, weights, backend(cost), epsilon, method=method, stopThr=stop, numItermax=100_000, warn=False
        )

    return go


def _ott(holder: Mapping[str, Tensor], strength: float) -> Callable[[], Any]:
    import jax  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
    from ott.geometry.geometry import Geometry  # pyright: ignore[reportMissingImports]
    from ott.problems.linear.linear_problem import LinearProblem  # pyright: ignore[reportMissingImports]
    from ott.solvers.linear.sinkhorn import Sinkhorn  # pyright: ignore[reportMissingImports]

    jax.config.update("jax_enable_x64", True)
    solve = jax.jit(Sinkhorn(threshold=_TOLERANCE, max_iterations=100_000, norm_error=1))

    def go() -> Any:
        cost = holder["cost"]
        geometry = Geometry(jnp.asarray(cost.numpy()), epsilon=strength * float(cost.mean()))
        return jax.block_until_ready(solve(LinearProblem(geometry)).matrix)

    return go


def _run(case: str, entrants: list[_Entrant], job: Job, renew: Callable[[], None] | None = None) -> list[Result]:
    """Milliseconds of each, and how many times those of the first the others took."""
    job.say(f"couplings: {case}")
    turns: dict[tuple[str, str], list[float]] = {(e.method, e.source): [] for e in entrants}
    for entrant in entrants:
        if entrant.turns > 1 or entrant.source == "ott":
            entrant.go()  # compiles, and warms caches
    for turn in range(max(e.turns for e in entrants)):
        if renew is not None:
            renew()
        for entrant in entrants:
            if turn < entrant.turns:
                started = time.process_time()
                entrant.go()
                turns[entrant.method, entrant.source].append(1e3 * (time.process_time() - started))
    times = {key: median(values) for key, values in turns.items()}
    first = entrants[0].method
    rows = [
        Result("couplings", case, method, "time", value, "ms", None, source)
        for (method, source), value in times.items()
    ]
    for (method, source), value in list(times.items())[1:]:
        ratio = value / times[first, "ours"]
        rows.append(
            Result("couplings", case, f"{first} over {method} of {source}", "speedup", ratio, "x", None, "ours")
        )
    return rows
