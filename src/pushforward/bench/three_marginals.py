"""A Gaussian, rings and a checkerboard: one multimarginal network beside a network for every pair."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import torch
from torch import Tensor

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.bench.three_marginals_figure import figure
from pushforward.core import Cond, Field, State, generator_from, map_state
from pushforward.data import Checkerboard, Gaussian, Rings, Stream
from pushforward.metrics import wasserstein
from pushforward.nets import MLP, CornerNet
from pushforward.objectives import FlowMatching, Multimarginal, OnCurves
from pushforward.paths import Polyline
from pushforward.solvers import RK4, solve
from pushforward.training import Feed, MarginalsFeed, Training, atomic_write, train

__all__ = ["ThreeMarginals"]

LAWS = {"gaussian": Gaussian(), "rings": Rings(), "checkerboard": Checkerboard()}
NAMES = tuple(LAWS)
ONE, PAIR, FLOOR = "Multimarginal, one for all", "FlowMatching, one for the pair", "floor, independent draws"
SOLVER_STEPS = 50

Direction = tuple[int, int]


@dataclass(frozen=True)
class ThreeMarginals:
    """All six directed transports between three laws in the plane: `wasserstein` (exact W2) to fresh draws.

    One network learns the conditional means on the edges of the simplex. Its rivals are three networks, one for each
    pair, which flow matching trains on that pair alone and which are followed forwards and backwards. All four have the
    same hidden layers (an MLP, 4 x 128), batch (256), optimiser and number of steps. So a pair has three times the
    steps for itself that the one network can spend on it, and the rivals together three times the budget: the reading
    of "equal budget" that is hardest on the one network.

    Everything is coupled independently, drawn afresh at every step, and followed by RK4 with 50 steps. Beside the
    distances stand their ratio, and the floor that no model gets below but by chance: another draw of the target law.

    Args:
        steps: Of each training.
        points: On each side of a distance.
        seeds: Of training, and of the draws that judge it.

    Writes `three_marginals.png`: the transports of the first seed.
    """

    steps: int = 6000
    points: int = 10_000
    seeds: tuple[int, ...] = (0, 1, 2)

    def case(self, direction: Direction) -> str:
        """From where to where, and the budget where it is small."""
        name = " -> ".join(NAMES[k] for k in direction)
        full = (self.steps, self.points) == (ThreeMarginals.steps, ThreeMarginals.points)
        return name if full else f"{name}, quick ({self.steps} steps, {self.points} points)"

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """For every seed both trainings, then one direction after the other."""
        for seed in self.seeds:
            fields: dict[str, dict[Direction, Field]] = {}
            for method, learn in ((ONE, self._one), (PAIR, self._pairs)):
                job.say(f"three_marginals: seed {seed}, {method}, {self.steps} steps each")
                started = time.perf_counter()
                fields[method] = learn(seed)
                seconds = time.perf_counter() - started
                yield [Result("three_marginals", "training", method, "training_seconds", seconds, "s", seed, "ours")]
            source, target = (
                [
                    law.sample(self.points, generator=generator_from(seed, what, k))
                    for k, law in enumerate(LAWS.values())
                ]
                for what in ("source", "target")
            )
            shown: dict[str, dict[Direction, tuple[Tensor, float]]] = {ONE: {}, PAIR: {}}
            for i, j in permutations(range(3), 2):
                values = {FLOOR: wasserstein(source[j], target[j])}
                for method in (ONE, PAIR):
                    with torch.no_grad():
                        times = torch.linspace(0, 1, SOLVER_STEPS + 1)
                        x = solve(fields[method][i, j], source[i], times, solver=RK4()).x
                    assert isinstance(x, Tensor)
                    values[method] = wasserstein(x, target[j])
                    shown[method][i, j] = x, values[method]
                ratio = values[ONE] / values[PAIR]
                case = self.case((i, j))
                job.say(
                    f"  {case}: one {values[ONE]:.3f}, pair {values[PAIR]:.3f}, floor {values[FLOOR]:.3f}, "
                    f"ratio {ratio:.2f}"
                )
                rows = [
                    Result("three_marginals", case, m, "wasserstein", v, "", seed, "ours") for m, v in values.items()
                ]
                over = "Multimarginal over FlowMatching"
                yield [*rows, Result("three_marginals", case, over, "wasserstein_ratio", ratio, "", seed, "ours")]
            if seed == self.seeds[0]:
                atomic_write(job.out / "three_marginals.png", figure(NAMES, target, shown))

    def _one(self, seed: int) -> dict[Direction, Field]:
        """One network, and what it learned along the six edges."""
        objective = Multimarginal(OnCurves.edges(3))
        feed = MarginalsFeed(tuple(Stream(law) for law in LAWS.values()))
        net = train(CornerNet(_net(3, seed), 3), objective, feed, self._settings(), seed=seed).net
        return {(i, j): objective.field(net, Polyline.edge(i, j, marginals=3)) for i, j in permutations(range(3), 2)}

    def _pairs(self, seed: int) -> dict[Direction, Field]:
        """A network for every pair, in both directions."""
        laws, objective = list(LAWS.values()), FlowMatching()
        fields: dict[Direction, Field] = {}
        for i, j in combinations(range(3), 2):
            feed = Feed(Stream(laws[j]), source=Stream(laws[i]))
            field = objective.field(train(_net(1, seed), objective, feed, self._settings(), seed=seed).net)
            fields[i, j], fields[j, i] = field, _Backwards(field)
        return fields

    def _settings(self) -> Training:
        return Training(self.steps, 256, 2e-3, 0.0, warmup=min(100, self.steps), ema=0.999, device="cpu")


@dataclass(frozen=True)
class _Backwards:
    """The same flow from the other end."""

    field: Field

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        return map_state(torch.neg, self.field(x, 1 - t, cond))


def _net(answers: int, seed: int) -> MLP:
    """As wide and deep whatever it answers; more than one answer comes with a point of the simplex."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        features = answers if answers > 1 else None
        return MLP((2 * answers,), features=features, width=128, depth=4, activation="silu")
