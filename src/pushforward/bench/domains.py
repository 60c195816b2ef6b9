"""Convex domains: reflection, mirror maps, bijectors, and a flow that knows of no walls, on one budget."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.bench.job import Job
from pushforward.bench.published import MIRROR_BALL, MIRROR_POLYTOPE, Published
from pushforward.bench.results import Result
from pushforward.core import Field, Space, State, generator_from
from pushforward.data import (
    Arrays,
    BallMixture,
    Bounded,
    BoxFaces,
    Compose,
    Identity,
    MirrorBall,
    MirrorBox,
    MirrorPolytope,
    PolytopeMixture,
    Standardise,
    Transform,
)
from pushforward.metrics import mmd, wasserstein
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine
from pushforward.solvers import Euler, solve
from pushforward.spaces import Domain, Euclidean, StudentT
from pushforward.training import Feed, Training, train

__all__ = ["Domains", "knn_kl"]

ROWS = 50_000  # to learn from
STEP_COUNTS = (5, 20, 100)  # of Euler; the last one is judged
REFLECTED, CLIPPED, BIJECTOR = "reflected", "unconstrained, then the nearest point", "logit"
MIRROR_T, MIRROR_NORMAL = "mirror, Student-t source", "mirror, normal source"


class Entrant(NamedTuple):
    """A space for the path, and data units to its units."""

    space: Space
    transform: Transform


class Target(NamedTuple):
    """What is learned, and the published figures beside it."""

    law: BoxFaces | PolytopeMixture | BallMixture
    published: tuple[Published, ...] = ()

    @property
    def name(self) -> str:
        """As the case says it."""
        kind = {"BoxFaces": "box, piled at the faces", "PolytopeMixture": "polytope", "BallMixture": "ball"}
        return f"{kind[type(self.law).__name__]}, {self.law.dim}-d"


TARGETS = {
    "box": Target(BoxFaces()),
    "polytope": Target(PolytopeMixture(), MIRROR_POLYTOPE),
    "ball": Target(BallMixture(), MIRROR_BALL),
}


def entrants(law: BoxFaces | PolytopeMixture | BallMixture, rows: Tensor) -> dict[str, Entrant]:
    """The methods that are defined on the domain of a law."""
    if isinstance(law, BoxFaces):
        mirror: Transform = MirrorBox(-1.0, 1.0)
    elif isinstance(law, PolytopeMixture):
        mirror = MirrorPolytope(torch.tensor(law.space.normals), torch.tensor(law.space.bounds))
    else:
        mirror = MirrorBall(law.radius)
    found = {
        REFLECTED: Entrant(law.space, Identity()),
        MIRROR_T: Entrant(Euclidean(StudentT(10.0)), mirror),
        MIRROR_NORMAL: Entrant(Euclidean(), mirror),
        CLIPPED: Entrant(Euclidean(), Identity()),
    }
    if isinstance(law, BoxFaces):
        logit = Bounded(-1.0, 1.0, eps=1e-4)
        found[BIJECTOR] = Entrant(Euclidean(), Compose([logit, Standardise.fit(logit.forward(rows))]))
    return found


@dataclass(frozen=True)
class Domains:
    """Three laws that press at the walls of a convex domain, learned in five ways with one network and one budget.

    The network (an MLP, 4 x 128, ELU), the batch (256), the optimiser and the number of steps are the same for all;
    samples are followed by Euler with 5, 20 and 100 steps. `feasible_share` is told for each number of steps, before
    anything is clipped; all else is of 100 steps, for the flow that knows no walls after its samples went to the
    nearest point of the domain. On the box `wasserstein` is exact W2. On polytope and ball `mmd_squared` is unbiased
    with one bandwidth for all (the median distance of fresh draws) and `kl` the estimate by nearest neighbours. Beside
    them the floor, of independent draws, and the tables of the mirror paper, whose targets, kernel and estimator are
    not given: they are no measurement of the same problem.

    Args:
        steps: Of each training.
        points: That judge it, on each side.
        seeds: Of everything.
        targets: Names from `TARGETS`.
    """

    steps: int = 4000
    points: int = 4000
    seeds: tuple[int, ...] = (0, 1)
    targets: tuple[str, ...] = tuple(TARGETS)

    def case(self, target: Target) -> str:
        """The problem, and the budget where it is not the full one."""
        full = (self.steps, self.points) == (Domains.steps, Domains.points)
        return target.name if full else f"{target.name}, quick ({self.steps} steps, {self.points} points)"

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """Published figures; then for every seed and target the floor, and one method after the other."""
        for name in self.targets:
            target = TARGETS[name]
            if target.published:
                yield [
                    Result("domains", target.name, p.label(), p.metric, p.value, "", None, "published")
                    for p in target.published
                ]
        for seed in self.seeds:
            for name in self.targets:
                yield from self._target(job, TARGETS[name], seed)

    def _target(self, job: Job, target: Target, seed: int) -> Iterator[list[Result]]:
        law, case = target.law, self.case(target)
        rows = law.sample(ROWS, generator=generator_from(seed, "domains", "rows"))
        fresh, other = (law.sample(self.points, generator=generator_from(seed, "domains", k)) for k in ("a", "b"))
        judge = self._judge(target, fresh)

        def told(method: str, values: dict[str, float]) -> list[Result]:
            job.say(f"domains: seed {seed}, {case}, {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
            unit = lambda metric: "s" if metric == "training_seconds" else ""
            return [Result("domains", case, method, k, v, unit(k), seed, "ours") for k, v in values.items()]

        yield told("floor, independent draws", judge(other))
        for method, entrant in entrants(law, rows).items():
            started = time.perf_counter()
            field = self._train(entrant, rows, seed)
            values = {"training_seconds": time.perf_counter() - started}
            noise = entrant.space.noise(torch.empty(self.points, law.dim), generator=generator_from(seed, "domains"))
            x = noise
            for steps in STEP_COUNTS:
                x = self._samples(field, entrant, noise, steps)
                values[f"feasible_share_{steps}_steps"] = float(law.space.contains(x).double().mean())
            yield told(method, judge(cast(Tensor, law.space.project(x))) | values)

    def _judge(self, target: Target, fresh: Tensor) -> Callable[[Tensor], dict[str, float]]:
        if isinstance(target.law, BoxFaces):
            return lambda x: {"wasserstein": wasserstein(x, fresh)}
        bandwidth = float(torch.pdist(fresh[:1000]).median())
        return lambda x: {"mmd_squared": float(mmd(x, fresh, bandwidth)), "kl": float(knn_kl(fresh, x))}

    def _train(self, entrant: Entrant, rows: Tensor, seed: int) -> Field:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = MLP((rows.shape[1],), width=128, depth=4, activation=nn.ELU)
        objective = FlowMatching(Affine(space=entrant.space))
        feed = Feed(Arrays(rows), space=entrant.space, transform=entrant.transform)
        settings = Training(self.steps, 256, 1e-3, 0.0, warmup=min(100, self.steps), ema=0.99, device="cpu", workers=0)
        return objective.field(train(net, objective, feed, settings, seed=seed).net)

    @torch.no_grad()
    def _samples(self, field: Field, entrant: Entrant, noise: State, steps: int) -> Tensor:
        reflects = isinstance(entrant.space, Domain)
        solver = Euler(entrant.space) if reflects else Euler()
        x = solve(field, noise, torch.linspace(0, 1, steps + 1), solver=solver).x
        assert isinstance(x, Tensor)
        return entrant.transform.inverse(x)


def knn_kl(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], *, neighbour: int = 5) -> Float[Tensor, ""]:
    r"""Estimate of KL(p | q) from draws x of p and y of q, by distances to the k-th neighbour, in nats.

    .. math:: \frac dn \sum_i \log \frac{\nu_k(x_i)}{\rho_k(x_i)} + \log \frac{m}{n - 1}

    with rho among the other x and nu among the y. Biased in many dimensions: read it beside the floor.

    Source: Wang, Kulkarni & Verdu, Divergence Estimation for Multidimensional Densities Via k-Nearest-Neighbor
        Distances, IEEE Trans. Inf. Theory 55 (2009), https://doi.org/10.1109/TIT.2009.2016060.

    Example:
        >>> x, y = torch.randn(2, 1000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> bool((knn_kl(x, y + torch.tensor([1.0, 0.0])) - 0.5).abs() < 0.15)
        True
    """
    n, d = x.shape
    tiny = torch.finfo(x.dtype).tiny
    own = torch.cdist(x, x).kthvalue(neighbour + 1, dim=1).values.clamp_min(tiny)  # the first is the point itself
    across = torch.cdist(x, y).kthvalue(neighbour, dim=1).values.clamp_min(tiny)
    return d * (across.log() - own.log()).mean() + torch.log(torch.tensor(len(y) / (n - 1), dtype=x.dtype))
