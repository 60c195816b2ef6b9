"""Symbols as probability vectors: how far from the data's law flows arrive as the alphabet grows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pushforward.bench.job import Job
from pushforward.bench.results import Result
from pushforward.core import Head, Pairs, Path, Solver, categorical, generator_from
from pushforward.fields import Categorical, Logits, NetField
from pushforward.objectives import FlowMatching
from pushforward.objectives.times import Exponential, TimeLaw, Uniform
from pushforward.paths import Dirichlet, Fisher, GumbelSoftmax, LinearSimplex, Mixture
from pushforward.solvers import Euler, ExactJump, LogitLangevin, solve
from pushforward.spaces import Tokens

__all__ = ["Simplex", "empirical_kl"]

POSITIONS = 4
ROWS = 1000  # sampled at once


class Entrant(NamedTuple):
    """A flow, how it is learned and how it is followed."""

    path: Path
    head: Head
    times: TimeLaw
    solver: Solver


def entrants(size: int) -> dict[str, Entrant]:
    """The methods by name, for an alphabet of `size`."""
    gumbel, tokens = GumbelSoftmax(), Mixture(Tokens(size))
    dirichlet, linear, fisher = Dirichlet(), LinearSimplex(), Fisher()
    return {
        "linear": Entrant(linear, Logits(), Uniform(), Euler(linear.space)),
        "Dirichlet": Entrant(dirichlet, Logits(), Exponential(), Euler(dirichlet.space)),
        "Gumbel-softmax": Entrant(gumbel, Logits(), Uniform(), LogitLangevin(gumbel)),
        "Fisher": Entrant(fisher, Logits(), Uniform(), Euler(fisher.space)),
        "discrete, uniform source": Entrant(tokens, Logits(), Uniform(), ExactJump(tokens)),
    }


@dataclass(frozen=True)
class Simplex:
    r"""Four independent positions of K symbols, each with a law of its own, softmax of normal logits.

    The problem of the Dirichlet paper. Every method says the posterior of the symbols, by the same network: a small MLP
    that all symbols share, of a symbol's own coordinate and the time, and a number for every symbol and position, which
    together can be the exact posterior of each but Gumbel-softmax. Batches of 256, Adam at 1e-2 with a cosine, as many
    steps of training and of the solver. Symbols are drawn from the last posterior (the discrete chain shows its own).
    `kl_nats` is KL(empirical || true), mean over positions; draws of the data themselves have about (K - 1) / 2n, told
    beside it. The paper's figures are in a plot only, of another network.

    Args:
        alphabets: Values of K.
        training: Steps.
        steps: Of the solver.
        points: That judge, n.
        seed: Of everything.
    """

    alphabets: tuple[int, ...] = (20, 40, 80, 160)
    training: int = 300
    steps: int = 50
    points: int = 2000
    seed: int = 0

    def measure(self, job: Job) -> Iterator[list[Result]]:
        """One alphabet after the other."""
        for size in self.alphabets:
            gen = generator_from(self.seed, "simplex", "law", size)
            law = torch.randn(POSITIONS, size, generator=gen, dtype=torch.float64).softmax(-1)
            case = f"{POSITIONS} positions, {size} symbols" + self._budget()
            draws = categorical(law.expand(self.points, *law.shape), generator=gen)
            floor = empirical_kl(draws, law).item()
            yield [Result("simplex", case, "draws of the data", "kl_nats", floor, "nats", self.seed, "reference")]
            for name, entrant in entrants(size).items():
                started = time.perf_counter()
                field = self._trained(entrant, law)
                seconds = time.perf_counter() - started
                kl = empirical_kl(self._draws(entrant, field, size), law).item()
                job.say(f"simplex: {case}, {name}: {kl:.4f} nats (draws of the data {floor:.4f}), {seconds:.0f} s")
                values = {"kl_nats": (kl, "nats"), "training_seconds": (seconds, "s")}
                yield [Result("simplex", case, name, k, v, unit, self.seed, "ours") for k, (v, unit) in values.items()]

    def _budget(self) -> str:
        full = (self.training, self.steps, self.points) == (Simplex.training, Simplex.steps, Simplex.points)
        return "" if full else f", quick ({self.training} steps of training, {self.points} draws)"

    def _trained(self, entrant: Entrant, law: Tensor) -> NetField:
        size = law.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = _Symbolwise(POSITIONS, size)
        objective = FlowMatching(entrant.path, head=entrant.head, times=entrant.times)
        optimiser = torch.optim.Adam(net.parameters(), 1e-2)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.training)
        heights = law.expand(256, *law.shape)
        for step in range(self.training):
            gen = generator_from(self.seed, "simplex", "training", step)
            x1 = categorical(heights, generator=gen)
            optimiser.zero_grad()
            pairs = Pairs((self._noise(entrant, x1, size, gen), x1))
            objective(net, pairs, generator=gen).value.backward()
            optimiser.step()
            decay.step()
        return objective.field(net.eval())

    @staticmethod
    def _noise(entrant: Entrant, x1: Tensor, size: int, generator: torch.Generator) -> Tensor:
        like = x1 if isinstance(entrant.path, Mixture) else torch.empty(*x1.shape, size)
        return cast(Tensor, entrant.path.space.noise(like, generator=generator))

    @torch.no_grad()
    def _draws(self, entrant: Entrant, field: NetField, size: int) -> Tensor:
        found = []
        for block in range(0, self.points, ROWS):
            gen = generator_from(self.seed, "simplex", "draws", block)
            blank = torch.zeros(min(ROWS, self.points - block), POSITIONS, dtype=torch.int64)
            x0 = self._noise(entrant, blank, size, gen)
            times = torch.linspace(0, 1, self.steps + 1)
            x = solve(cast(Any, field), x0, times, solver=entrant.solver, generator=gen).x
            if not isinstance(entrant.path, Mixture):
                x = cast(Categorical, field.law(x, torch.ones(len(blank)))).sample(generator=gen)
            found.append(cast(Tensor, x))
        return torch.cat(found)


class _Symbolwise(nn.Module):
    """Logits of symbols, each from its own coordinate and the time."""

    def __init__(self, positions: int, size: int, width: int = 16) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(positions, size))
        self.body = nn.Sequential(nn.Linear(4, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.last = nn.Linear(width, 1)

    def forward(self, x: Tensor, t: Tensor, cond: None = None) -> Tensor:
        """Logits `[B, positions, size]`."""
        size = self.bias.shape[1]
        if not x.is_floating_point():
            x = nn.functional.one_hot(x, size).float()
        level = (size * x + 0.01).log()
        time = t[:, None, None].expand_as(x)
        told = torch.stack([level, 4 * x, time, (size * time + 1).log()], -1)
        return self.last(self.body(told))[..., 0] + self.bias


def empirical_kl(x: Int[Tensor, "n positions"], law: Float[Tensor, "positions k"]) -> Float[Tensor, ""]:
    r"""KL(empirical || true) in nats, mean over positions; of n draws of the law itself about (K - 1) / 2n.

    Example:
        >>> empirical_kl(torch.tensor([[0], [1]]), torch.tensor([[0.5, 0.5]]))
        tensor(0.)
    """
    shares = torch.stack([torch.bincount(column, minlength=law.shape[1]) for column in x.unbind(1)]).to(law) / len(x)
    return (torch.special.xlogy(shares, shares) - shares * law.log()).sum(-1).mean()
