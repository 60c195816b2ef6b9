"""Frames: steps from base pair to base pair of RNA, by the frame flow."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Coupling, State, batch_size, broadcast_time, generator_from
from pushforward.couplings import DataDependent, Independent, TurnedData
from pushforward.data import BasePairSteps
from pushforward.fields import GeodesicEndpoint, NetField, OwnClock
from pushforward.metrics import sliced_wasserstein, with_floor
from pushforward.nets import MLP, Flattened
from pushforward.objectives import FlowMatching, InverseRate
from pushforward.paths import Geodesic, LinearRate
from pushforward.solvers import Euler, solve
from pushforward.spaces import IGSO3, SE3, SO3, Product
from pushforward.training import Feed, Training, train

__all__ = ["SE3Suite"]


class Source(NamedTuple):
    """Whose noise sampling starts from, and what training starts from."""

    space: Product
    coupling: Coupling


SOURCES: Mapping[str, Source] = {
    "uniform rotations": Source(SE3(), Independent()),
    "rotations IGSO3(1.5) about the data": Source(SE3(), DataDependent(TurnedData())),
    "rotations IGSO3(0.4)": Source(SE3(IGSO3(0.4)), Independent()),
}
CLOCKS: Mapping[str, float | None] = {"one clock": None, "rotations by e^-10t": 10.0}
LATE = InverseRate(LinearRate(1.0, 0.1), 0.01, 0.99)  # rotations spread by 0.06 are told apart late
FLOOR, NOISE = "floor, rows of the training set", "noise, uniform rotations"


@dataclass(frozen=True)
class SE3Suite:
    """Base-pair steps from noise; `sliced_wasserstein` (p = 2) to the held-out rows, and its ratio to the floor.

    Compared are shifts and rotation vectors, six numbers, each over its standard deviation in the training set. The
    network is an MLP (4 x 256) on shift, rotation matrix and t that says endpoints; shifts are in angstrom (their
    spread is 1; the 10 angstrom of proteins are for whole backbones). 100 steps of Euler from t = .01 to .99, then the
    endpoint that the network says. One training per source, followed by two clocks each: uniform rotations, the
    paper's rotations about the data (sampling starts from uniform ones all the same), and rotations about the identity
    that are nearer to what the data spread by. `seconds` are those of training.

    Args:
        data: Rows of RNA or DNA, split.
        steps: Of each training.
        batch: Rows of a step.
        points: Samples, no more than there are held-out rows.
        seeds: Of training, sampling and directions.
    """

    data: BasePairSteps = field(default_factory=lambda: BasePairSteps("rna", labels=False))
    steps: int = 15_000
    batch: int = 256
    points: int = 2800
    seeds: tuple[int, ...] = (0,)

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One source after the other."""
        found = self.data.load()
        learned, held = found.train.take(10**9)[0], found.held_out().take(10**9)[0]
        scale = _coordinates(learned).std(0)
        look = lambda x: _coordinates(x) / scale
        rows, target = look(learned), look(held)
        for seed in self.seeds:
            generator = generator_from(seed, "directions")

            def judged(method: str, x: State, seed: int = seed, generator: torch.Generator = generator) -> list[Result]:
                score = with_floor(
                    lambda a, b: sliced_wasserstein(a, b, generator=generator_from(seed, "slices")),
                    look(x),
                    target,
                    rows,
                    generator=generator.manual_seed(seed),
                )
                job.say(f"  {method}: {score.value:.4f}, {score.ratio:.2f} times the floor {score.floor:.4f}")
                named = [(method, "sliced_wasserstein", score.value), (method, "times_floor", score.ratio)]
                named += [(FLOOR, "sliced_wasserstein", score.floor)]
                return [Result("se3", self._case, name, what, value, "", seed, "ours") for name, what, value in named]

            yield judged(NOISE, self._noise(SE3(), seed))
            for source, (space, coupling) in SOURCES.items():
                job.say(f"se3: {source}, seed {seed}, {self.steps} steps")
                began = time.perf_counter()
                learnt = self._field(Feed(found.train, coupling, space=space), seed)
                seconds = time.perf_counter() - began
                yield [Result("se3", self._case, source, "seconds", seconds, "s", seed, "ours")]
                for clock, rate in CLOCKS.items():
                    yield judged(f"{source}, {clock}", _sampled(learnt, self._noise(space, seed), rate))

    @property
    def _case(self) -> str:
        full = (self.steps, self.points) == (SE3Suite.steps, SE3Suite.points)
        name = f"base-pair steps, {self.data.kind}"
        return name if full else f"{name}, quick ({self.steps} steps, {self.points} points)"

    def _noise(self, space: Product, seed: int) -> State:
        blank = {"shift": torch.empty(self.points, 3), "rotation": torch.empty(self.points, 3, 3)}
        return space.noise(blank, generator=generator_from(seed, "source"))

    def _field(self, feed: Feed, seed: int) -> NetField:
        objective = FlowMatching(Geodesic(SE3()), GeodesicEndpoint({"shift": 1.0, "rotation": 1.0}), times=LATE)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = Flattened(MLP((12,), width=256, depth=4, activation="silu"))
        warmup = min(200, self.steps)
        settings = Training(
            self.steps, self.batch, 1e-3, 0.0, warmup=warmup, gradient_clip=1.0, ema=0.999, device="cpu"
        )
        return objective.field(train(net, objective, feed, settings, seed=seed).net)


@torch.no_grad()
def _sampled(learnt: NetField, start: State, rate: float | None) -> State:
    """What the network says at the end of the way."""
    field = learnt if rate is None else OwnClock(learnt, {"rotation": rate})
    times = torch.linspace(0.01, 0.99, 99)
    x = solve(field, start, times, solver=Euler(SE3())).x
    return learnt.law(x, broadcast_time(times[-1], x)).mean


def _coordinates(x: State) -> Tensor:
    """Shift and rotation vector, `[N, 6]`."""
    assert isinstance(x, Mapping)
    eye = torch.eye(3).expand(batch_size(x), 3, 3)
    turn = cast(Tensor, SO3().log(eye, x["rotation"]))
    return torch.cat([x["shift"], torch.stack([turn[:, 2, 1], turn[:, 0, 2], turn[:, 1, 0]], 1)], 1)
