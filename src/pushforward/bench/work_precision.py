"""Error of every solver of flows against the number of evaluations, on an exact field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.bench.work_precision_figure import figure
from pushforward.core import Solver, generator_from, randn
from pushforward.oracles import Along, reference_mixture
from pushforward.paths import Affine, CondOT, VariancePreserving
from pushforward.solvers import (
    RK4,
    AdamsBashforth,
    AdamsBashforthMoulton,
    Dopri5,
    DPMSolverPP,
    Euler,
    Heun,
    UniPC,
    grids,
    solve,
)
from pushforward.training import atomic_write

__all__ = ["WorkPrecision", "contestants", "steps_for"]

# the velocity of VariancePreserving is steep at its end, where sigma falls like a root
PROBLEMS: dict[str, tuple[Affine, tuple[float, float]]] = {
    "straight path": (Affine(CondOT()), (0.0, 1.0)),
    "variance preserving to 0.999": (Affine(VariancePreserving()), (0.0, 0.999)),
}
SUITE = "work_precision"
LONGEST = 12  # steps after which every method has started


def contestants(path: Affine) -> dict[str, Solver]:
    """Solvers by name; all take the steps that they are given."""
    return {
        "Euler": Euler(),
        "Heun": Heun(),
        "RK4": RK4(),
        "Dopri5, fixed steps": Dopri5(controller=None),
        "Adams-Bashforth 2": AdamsBashforth(2),
        "Adams-Bashforth 3": AdamsBashforth(3),
        "Adams-Bashforth 4": AdamsBashforth(4),
        "Adams PECE 3": AdamsBashforthMoulton(3),
        "Adams PEC 3": AdamsBashforthMoulton(3, evaluate_again=False),
        "DPM-Solver++ 2M": DPMSolverPP(path, 2),
        "DPM-Solver++ 3M": DPMSolverPP(path, 3),
        "UniPC 2": UniPC(path, 2),
        "UniPC 3": UniPC(path, 3),
    }


def steps_for(solver: Solver, evaluations: int) -> int | None:
    """The most steps that take no more than so many evaluations; None if the method has not even started by then."""
    still, x = (lambda x, t, cond=None: 0 * x), torch.ones(1, 1)
    first, second = (
        solve(still, x, torch.linspace(0.1, 0.9, k + 1), solver=solver).nfe for k in (LONGEST, LONGEST + 1)
    )
    each = second - first
    steps = LONGEST + (evaluations - first) // each
    started = getattr(solver, "order", 1) if isinstance(solver, (AdamsBashforth, AdamsBashforthMoulton)) else 1
    return steps if steps >= started else None


class _Problem(NamedTuple):
    field: Along
    path: Affine
    span: tuple[float, float]
    x: Tensor
    end: Tensor


@dataclass(frozen=True)
class WorkPrecision:
    """Root mean square error of x at the end, against evaluations of the field: `reference_mixture`, float64.

    Every method gets as many steps as fit into the evaluations, its start included; where it has not started by then it
    has no row. Three grids: equal steps in time, in log SNR, and placed where Heun's error was on 64 pilot rows. The
    truth is `Dopri5` with many steps that are equal in log SNR.

    The field is smooth and costs the same everywhere, which favours high orders in time: there Adams methods are the
    best of those with one evaluation a step, and the exponential ones lead on steps that are equal in log SNR.

    Args:
        rows: Started from noise.
        evaluations: Budgets.
        reference: Steps of the truth.
    """

    rows: int = 256
    evaluations: tuple[int, ...] = (8, 16, 32, 64)
    reference: int = 1000

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Errors of one path and grid after the other, and one picture of all."""
        panels: dict[str, Mapping[str, Mapping[int, float]]] = {}
        quick = "" if self == WorkPrecision() else f", quick ({self.rows} rows)"
        for name, (path, span) in PROBLEMS.items():
            problem = self._problem(path, span)
            pilot = randn((64, 2), problem.x, generator=generator_from(0, "work_precision", "pilot"))
            placed = grids.by_error(problem.field, pilot, span=span)
            for label, grid in {"time": grids.Uniform(), "log SNR": grids.LogSNR(), "placed": placed}.items():
                case = f"{name}, steps equal in {label}" if label != "placed" else f"{name}, steps placed by error"
                found = self._errors(problem, grid)
                panels[case] = {
                    method: {nfe: error for name, _, nfe, error in found if name == method}
                    for method in contestants(path)
                }
                most = self.evaluations[-1]
                error, best = min((error, method) for method, budget, _, error in found if budget == most)
                job.say(f"work_precision: {case}: {best} is best at {most} evaluations, {error:.1e}")
                yield [
                    Result(SUITE, f"{case}, {budget} evaluations{quick}", method, "rms_error", error, "", None, "ours")
                    for method, budget, _, error in found
                ]
        atomic_write(job.out / "work_precision.png", figure(panels))

    def _problem(self, path: Affine, span: tuple[float, float]) -> _Problem:
        field = reference_mixture().along(path)
        like = torch.empty(0, dtype=torch.float64)
        x = randn((self.rows, 2), like, generator=generator_from(0, "work_precision", "rows"))
        times = grids.LogSNR()(self.reference, span=span, path=path)
        end = solve(field, x, times, solver=Dopri5(controller=None)).x
        assert isinstance(end, Tensor)
        return _Problem(field, path, span, x, end)

    def _errors(self, problem: _Problem, grid: grids.Grid) -> list[tuple[str, int, int, float]]:
        """Method, budget, evaluations that were used, and error."""
        found: list[tuple[str, int, int, float]] = []
        for method, solver in contestants(problem.path).items():
            for budget in self.evaluations:
                steps = steps_for(solver, budget)
                if steps is None:
                    continue
                times = grid(steps, span=problem.span, path=problem.path)
                solution = solve(problem.field, problem.x, times, solver=solver)
                assert isinstance(solution.x, Tensor)
                error = float((solution.x - problem.end).square().mean().sqrt())
                found.append((method, budget, solution.nfe, error))
        return found
