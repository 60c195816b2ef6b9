"""One, two, a few and many calls: flow maps from data and from exact velocities, on the plane."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pushforward.bench.few_step_reference import REFERENCE
from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Cond, Coupling, Field, Pairs, Solver, generator_from, randn
from pushforward.couplings import ExactOT, Independent
from pushforward.data import Checkerboard, Distribution, EightGaussians, Moons
from pushforward.fields import Accelerated, NetMap
from pushforward.metrics import sliced_wasserstein
from pushforward.nets import MotionNet
from pushforward.objectives import (
    AlignYourFlow,
    AlphaFlow,
    ConsistencyFM,
    ConsistencyTraining,
    ConstantAccelerationFlow,
    FlowMapMatching,
    MeanFlow,
    ModularMeanFlow,
    ReMeanFlow,
    Shortcut,
    SplitMeanFlow,
)
from pushforward.objectives.flow_maps import Chord, Lagrange, Residual, SortedPair, Teacher
from pushforward.objectives.times import LogitNormal, Uniform
from pushforward.oracles import Along, GaussianMixture
from pushforward.paths import Affine
from pushforward.solvers import RK4, ConstantAcceleration, Heun, Integrated, Jump, solve
from pushforward.training import Training, train

__all__ = ["FewStep"]

RADIUS, STD, DIRECTIONS = 2.0, 0.2, 256
CALLS = (1, 2, 4, 8, 50)
ONE = (1,)  # methods that only know jumps to the data


class _Net(nn.Module):
    """Four hidden layers of 96; state, time, gap, and sines and cosines of both. Told one time, the gap is 0."""

    frequencies: Tensor

    def __init__(self, states: int = 2) -> None:
        super().__init__()
        sizes = (10 + states, 96, 96, 96, 96)
        hidden = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(96, 2))
        self.register_buffer("frequencies", math.pi * torch.tensor([1.0, 2.0]), persistent=False)

    def forward(self, x: Tensor, t: Tensor, cond: Cond = None) -> Tensor:
        s, t = (t, t) if t.ndim == 1 else t.unbind(1)
        told = torch.stack([s, t - s], 1)
        angles = (told[:, :, None] * self.frequencies).flatten(1)
        return self.layers(torch.cat([x, told, angles.sin(), angles.cos()], 1))


@dataclass(frozen=True)
class _Feed:
    """Fresh pairs at every step."""

    data: Distribution
    coupling: Coupling

    def pairs(self, step: int, size: int, *, seed: int) -> Pairs:
        generator = generator_from(seed, "few_step", step)
        x1 = self.data.sample(size, generator=generator)
        assert isinstance(x1, Tensor)
        return self.coupling(randn((size, 2), x1, generator=generator), x1, generator=generator)


@dataclass(frozen=True)
class _Stored:
    """Pairs of the exact flow, in any order."""

    x0: Tensor
    x1: Tensor

    def pairs(self, step: int, size: int, *, seed: int) -> Pairs:
        rows = torch.randint(len(self.x0), (size,), generator=generator_from(seed, "few_step", step))
        return Pairs((self.x0[rows], self.x1[rows]))


class Entrant(NamedTuple):
    """A method: its objective, given the exact velocity where it needs a teacher, its network and its calls."""

    objective: Callable[[Any], Any]
    coupling: Coupling = Independent()
    calls: tuple[int, ...] = CALLS
    net: Callable[[], nn.Module] = _Net


def _velocity_only(_: Any) -> FlowMapMatching:
    return FlowMapMatching(intervals=SortedPair(still=1.0))


def _mean_flow(still: float, power: float, **more: Any) -> Callable[[Any], MeanFlow]:
    times = LogitNormal(0.4) if power else Uniform()
    return lambda _: MeanFlow(intervals=SortedPair(times, still), residual=Residual(power), **more)


SCRATCH: dict[str, Entrant] = {
    "fm": Entrant(_velocity_only),
    "ot_cfm": Entrant(_velocity_only, ExactOT()),
    "mf25": Entrant(_mean_flow(0.75, 1.0)),
    "mf75": Entrant(_mean_flow(0.25, 1.0)),
    "mf100": Entrant(_mean_flow(0.0, 1.0)),
    "mf_fd": Entrant(_mean_flow(0.75, 1.0, difference=5e-3)),
    "mf_l2": Entrant(_mean_flow(0.75, 0.0)),
    "mf75_l2": Entrant(_mean_flow(0.25, 0.0)),
    "mmf": Entrant(lambda _: ModularMeanFlow(intervals=SortedPair(still=0.75), residual=Residual(1.0))),
    "alpha": Entrant(lambda _: AlphaFlow(residual=Residual(1.0))),
    "alpha_l2": Entrant(lambda _: AlphaFlow()),
    "split": Entrant(lambda _: SplitMeanFlow()),
    "shortcut": Entrant(lambda _: Shortcut()),
    "shortcut30": Entrant(lambda _: Shortcut(still=0.3)),
    "ct": Entrant(lambda _: ConsistencyTraining(), calls=ONE),
    "cfm2": Entrant(lambda _: ConsistencyFM(gap=1e-2)),
}
TAUGHT: dict[str, Entrant] = {
    "mfd": Entrant(lambda v: MeanFlow(velocity=Teacher(v))),
    "cmt": Entrant(
        lambda v: FlowMapMatching(
            intervals=SortedPair(Uniform(), still=0.0), velocity=Teacher(v), rule=Chord(Integrated(v, RK4(), 4))
        )
    ),
    "emd": Entrant(AlignYourFlow),
    "lmd": Entrant(lambda v: AlignYourFlow(v, rule=Lagrange(), residual=Residual(1.0))),
}
PAIRED: dict[str, Entrant] = {
    "remf": Entrant(lambda _: ReMeanFlow(intervals=SortedPair(still=0.75), residual=Residual(1.0))),
    "remf_own": Entrant(lambda _: ReMeanFlow()),
    "caf": Entrant(lambda _: ConstantAccelerationFlow(), net=lambda: MotionNet(_Net(), _Net(4))),
}
OTHERS: dict[str, Distribution] = {"moons": Moons(), "checkerboard": Checkerboard()}
RACED = ("fm", "ot_cfm", "mf75_l2", "split", "shortcut30")


@dataclass(frozen=True)
class FewStep:
    """Flow maps of the plane in 1, 2, 4, 8 and 50 calls.

    Eight Gaussians on a circle of radius 2: every method for 6,000 updates of 256 rows with one network, its sliced
    Wasserstein distance to fresh data, and the root mean square of what it is off from the exact flow map. Beside it
    stand the rows of the benchmark that this one repeats, source "reference"; methods with a teacher are taught by the
    exact velocity, and "remf" and "caf" by 30,000 pairs of its flow; "remf_own" has the paper's times and residual.
    "mfd" and "split" run with the defaults here, not with p = 1 and logit-normal times; "mf_l2" and "mf75_l2" have
    uniform times, which bring one call from 0.25 to 0.10 (logit-normal ones rarely ask for the whole way);
    "shortcut30" is Shortcut with three tenths of the rows, not three quarters, for velocities.

    Moons and checkerboard: from scratch only, with flow matching and OT-CFM followed by Euler's and Heun's methods at
    as many calls, and trained for as long as Shortcut takes ("equal time"), not for as many updates.

    Args:
        steps: Of training.
        points: That judge it, on each side.
        seeds: Of training.
        others: Whether moons and checkerboard are run, too.
    """

    steps: int = 6000
    points: int = 10_000
    seeds: tuple[int, ...] = (0, 1, 2)
    others: bool = True

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """The reference, the floor, and one method after the other."""
        yield [Result("few_step_2d", self._case("8 gaussians"), *row, "", None, "reference") for row in REFERENCE]
        circle = EightGaussians(RADIUS, STD)
        velocity = mixture()
        exact, x0, real = self._exact(velocity, circle)
        yield [self._row("8 gaussians", "exact flow", "sliced_wasserstein", distance(exact, real))]
        stored = self._stored(velocity)
        for seed in self.seeds:
            for name, entrant in (SCRATCH | TAUGHT | PAIRED).items():
                pairs = stored if name in PAIRED else None
                found, seconds = self._train(entrant, circle, seed, velocity, pairs=pairs)
                rows = [self._row("8 gaussians", name, "training_seconds", seconds, seed)]
                for calls, x in jumps(found, x0, entrant.calls):
                    rows += [
                        self._row("8 gaussians", name, f"sliced_wasserstein_{calls}", distance(x, real), seed),
                        self._row("8 gaussians", name, f"map_error_{calls}", off(x, exact), seed),
                    ]
                job.say(_line(self._case("8 gaussians"), name, seed, rows))
                yield rows
            for case, data in OTHERS.items() if self.others else ():
                yield from self._race(job, case, data, seed)

    def _race(self, job: Job, case: str, data: Distribution, seed: int) -> Iterator[list[Result]]:
        """From scratch on other data; the slowest first, as its time is what the baselines get."""
        generator = generator_from(seed, "few_step", case)
        x0 = randn((self.points, 2), torch.empty(0), generator=generator)
        real, other = (data.sample(self.points, generator=generator) for _ in range(2))
        assert isinstance(real, Tensor)
        assert isinstance(other, Tensor)
        yield [self._row(case, "floor, independent draws", "sliced_wasserstein", distance(other, real), seed)]
        spent: dict[str, float] = {}
        for name in reversed(RACED):
            entrant = SCRATCH[name]
            baseline = name in ("fm", "ot_cfm")
            found, spent[name] = self._train(entrant, data, seed)
            budgets = {name: found}
            if baseline:
                longer = round(self.steps * max(1.0, spent["shortcut30"] / spent[name]))
                budgets[f"{name}, equal time"], _ = self._train(entrant, data, seed, steps=longer)
            for label, trained in budgets.items():
                rows = [self._row(case, label, "training_seconds", spent[name], seed)] if label == name else []
                for calls, x in jumps(trained, x0, entrant.calls):
                    method = f"{label}, Euler" if baseline else label
                    rows.append(self._row(case, method, f"sliced_wasserstein_{calls}", distance(x, real), seed))
                for calls in (k for k in CALLS if k > 1 and baseline):
                    value = distance(follow(trained.velocity, x0, Heun(), calls // 2), real)
                    rows.append(self._row(case, f"{label}, Heun", f"sliced_wasserstein_{calls}", value, seed))
                job.say(_line(self._case(case), label, seed, rows))
                yield rows

    def _train(
        self,
        entrant: Entrant,
        data: Distribution,
        seed: int,
        velocity: Any = None,
        *,
        pairs: _Stored | None = None,
        steps: int | None = None,
    ) -> tuple[NetMap | Accelerated, float]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = entrant.net()
        settings = Training(self.steps if steps is None else steps, 256, 1e-3, 1e-5, device="cpu", threads=1)
        started = time.perf_counter()
        feed = _Feed(data, entrant.coupling) if pairs is None else pairs
        objective = entrant.objective(velocity)
        train(net, objective, feed, settings, seed=seed)
        return objective.flow_map(net), time.perf_counter() - started

    def _exact(self, velocity: Along, data: Distribution) -> tuple[Tensor, Tensor, Tensor]:
        """Where the exact flow takes the test noise, the noise, and fresh data."""
        generator = generator_from(0, "few_step", "test")
        x0 = randn((self.points, 2), torch.empty(0), generator=generator)
        real = data.sample(self.points, generator=generator)
        assert isinstance(real, Tensor)
        x = solve(velocity, x0.double(), torch.linspace(0, 1, 65), solver=RK4()).x
        assert isinstance(x, Tensor)
        return x.float(), x0, real

    def _stored(self, velocity: Along) -> _Stored:
        """Three times as many pairs as judge."""
        x0 = randn((3 * self.points, 2), torch.empty(0), generator=generator_from(0, "few_step", "pairs"))
        x1 = solve(velocity, x0.double(), torch.linspace(0, 1, 65), solver=RK4()).x
        assert isinstance(x1, Tensor)
        return _Stored(x0, x1.float())

    def _case(self, name: str) -> str:
        full = (self.steps, self.points) == (FewStep.steps, FewStep.points)
        return name if full else f"{name}, quick ({self.steps} steps, {self.points} points)"

    def _row(self, case: str, method: str, metric: str, value: float, seed: int | None = None) -> Result:
        unit = "s" if metric.endswith("seconds") else ""
        return Result("few_step_2d", self._case(case), method, metric, value, unit, seed, "ours")


def mixture() -> Along:
    """The exact field of the circle."""
    angle = torch.arange(8, dtype=torch.float64) * math.pi / 4
    means = RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(means, (STD**2 * torch.eye(2, dtype=torch.float64)).expand(8, 2, 2)).along(Affine())


def jumps(flow_map: NetMap | Accelerated, x0: Tensor, calls: tuple[int, ...]) -> Iterator[tuple[int, Tensor]]:
    """Samples by so many calls of equal length."""
    solver = ConstantAcceleration() if isinstance(flow_map, Accelerated) else Jump()
    for number in calls:
        with torch.no_grad():
            x = solve(flow_map, x0, torch.linspace(0, 1, number + 1), solver=solver).x
        assert isinstance(x, Tensor)
        yield number, x


def follow(field: Field, x0: Tensor, solver: Solver, steps: int) -> Tensor:
    """Samples of a velocity."""
    with torch.no_grad():
        x = solve(field, x0, torch.linspace(0, 1, steps + 1), solver=solver).x
    assert isinstance(x, Tensor)
    return x


def distance(x: Tensor, real: Tensor) -> float:
    """Sliced Wasserstein distance."""
    return float(sliced_wasserstein(x, real, directions=DIRECTIONS))


def off(x: Tensor, exact: Tensor) -> float:
    """Root mean square distance, row by row."""
    return float((x - exact).square().sum(1).mean().sqrt())


def _line(case: str, name: str, seed: int, rows: list[Result]) -> str:
    return f"{case}: seed {seed}, {name}: " + ", ".join(f"{row.metric} {row.value:.3g}" for row in rows)
