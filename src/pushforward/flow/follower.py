"""Follows a learned field, in model units."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.config import Config, Guidance, guide, start
from pushforward.core import (
    AffinePath,
    Cond,
    Divergence,
    Exact,
    Field,
    Gen,
    Incompatible,
    Solver,
    State,
    align,
    broadcast_time,
    like,
    map_state,
    require,
    span_of,
    time_dtype,
)
from pushforward.couplings.learned import Gaussian
from pushforward.flow.start_law import StartLaw
from pushforward.inference import elbo, log_prob
from pushforward.paths import Mixture
from pushforward.solvers import ExactJump, Heun, Jump, Solution, Stochastic, draws_noise, solve
from pushforward.spaces import Domain, Tokens

__all__ = ["Follower"]

BLOCK = 2**18  # numbers that are followed at once: memory does not grow with the number of rows


@dataclass(frozen=True)
class Follower:
    """From sources to data, back, and to densities, all rows in model units.

    Args:
        field: The learned velocity.
        config: Its path, and the steps and solver of those who do not say.
        objective: What the field was trained with; a learned source is in it.
        net: The network.
        noise: Whether the source is noise, not data.
    """

    field: Field
    config: Config
    objective: Any
    net: Any
    noise: bool = True

    def __call__(
        self,
        x: Tensor,
        cond: Cond = None,
        *,
        steps: int | None = None,
        solver: Solver | str | None = None,
        guidance: Guidance = None,
        generator: Gen = None,
        reverse: bool = False,
        save: bool = False,
    ) -> Solution:
        """The way of source draws `x` `[N, *E]` to the data, or with `reverse` of data to the source."""
        method = self._solver(solver, draws=generator is not None, back=reverse)
        field: Any = guide(self.field, guidance, None if cond is None else self.objective)
        if isinstance(method, Jump):
            field = self._map(method, guidance)
        begin = getattr(field, "start", None)  # of a field that starts late and knows from where
        if draws_noise(method):
            require(
                self.noise or self.config.tells_score,
                f"{type(method).__name__} needs the score, which the velocity tells only of flows from noise, and this "
                "one starts from data; use a solver of flows such as Heun, or train with latent noise and FlowAndScore",
                Incompatible,
            )
        if isinstance(method, Stochastic):
            field = self.config.noised(field, method)
        times = self._times(field, steps, x, method)
        grid = times.flip(0) if reverse else times
        # rows of one Brownian path are told apart by their place in the batch
        whole = isinstance(method, Stochastic) and method.brownian is not None
        parts: list[Solution] = []
        for rows, given in [(x, cond)] if whole else _blocks(x, cond, self._numbers(x)):
            first = rows if reverse else self._start(rows, times, given, begin)
            part = solve(field, first, grid, solver=method, cond=given, generator=generator, save=save)
            if reverse:
                part = part._replace(x=self._start(part.x, times, given, begin, back=True))
            elif times[-1] < 1:
                part = self._landed(part, field, given, generator)
            parts.append(part)
        return _joined(parts)

    def log_prob(
        self,
        x: Tensor,
        cond: Cond = None,
        *,
        steps: int | None = None,
        solver: Solver | str | None = None,
        divergence: Divergence | str = "exact",
        generator: Gen = None,
    ) -> Tensor:
        """Log-density `[N]` of data `x` `[N, *E]`, in nats."""
        times, method = self._times(self.field, steps, x).flip(0), self._solver(solver, draws=False, back=True)
        numbers = x[0].numel()
        found: list[Tensor] = []
        for rows, given in _blocks(
            x, cond, numbers**2 if divergence == "exact" or isinstance(divergence, Exact) else numbers
        ):
            source = StartLaw(self.config.path, float(times[-1]), self._law(given))
            found.append(
                log_prob(
                    self.field,
                    rows,
                    source,
                    solver=method,
                    times=times,
                    divergence=divergence,
                    cond=given,
                    generator=generator,
                )
            )
        return torch.cat(found)

    def elbo(self, x: Tensor, cond: Cond = None, *, strata: int, generator: Gen = None) -> Tensor:
        """A lower bound `[N]` of the log-probability of symbols `x` `[N, *E]`, in nats."""
        blocks = _blocks(x, cond, self._numbers(x))
        return torch.cat([elbo(self.field, part, strata=strata, cond=c, generator=generator) for part, c in blocks])

    def _numbers(self, x: Tensor) -> int:
        """What the field says of one row."""
        space = self.config.path.space
        return x[0].numel() * (space.size if isinstance(space, Tokens) else 1)

    def _start(self, x: State, times: Tensor, cond: Cond, begin: Any, *, back: bool = False) -> State:
        if begin is not None:
            tied = self.config.tied
            under = "from a source of data" if tied is None else f"under {tied.__name__}"
            require(
                self.noise and tied is None,
                f"Skip starts by a formula for noise that is independent of the data, which fails {under}; "
                "skip nothing, or train with coupling: Independent",
                Incompatible,
            )
            return begin(x, cond, back=back)
        t = broadcast_time(times[0], x)
        return start(self.config.path, x, t, law=self._law(cond), back=back)

    def _law(self, cond: Cond) -> Gaussian | None:
        """The law of a learned source; None where it is the space's own noise, or data."""
        return self.objective.source(cond) if hasattr(self.objective, "source") else None

    def _times(self, field: Field, steps: int | None, like: Tensor, solver: Any = None) -> Tensor:
        low, high = getattr(solver, "span", None) or span_of(field)
        number = self.config.sampling.steps if steps is None else steps
        times = self.config.sampling.grid(number, span=(low, high), path=self.config.path)
        return times.to(like.device, time_dtype(like))

    def _map(self, solver: Jump, guidance: Guidance) -> Any:
        """What a solver of flow maps follows."""
        self.config.check_jumps(solver, guidance)
        return self.objective.flow_map(self.net)

    def _solver(self, solver: Solver | str | None, *, draws: bool, back: bool = False) -> Solver:
        """The solver that is asked for; where nothing may be drawn, the flow of the same marginals has a way back."""
        found = self.config.followed_by(self.config.usual if solver is None else solver)
        stuck = draws_noise(found) and not draws
        if not stuck and not (back and isinstance(found, Jump)):
            return found
        why = "draws noise" if stuck else "follows a map that was learned forwards"
        require(
            solver is None,
            f"{type(found).__name__} {why}, so it has no way back and no density; use a solver of flows such as Heun",
            Incompatible,
        )
        return Heun()

    def _landed(self, solution: Solution, field: Field, cond: Cond, generator: Gen = None) -> Solution:
        """With a jump to E[x1 | x_t] where the field ends before 1: the last noise is taken away, not followed.

        Source: Jolicoeur-Martineau et al., Adversarial score matching and improved sampling for image generation (ICLR
            2021), https://arxiv.org/abs/2009.05475, the denoising step at the end.

        With latent noise the velocity does not tell the end, and is regular up to it: the jump is a step of Euler.
        Symbols that have not jumped yet are drawn.
        """
        path, x, times, xs = self.config.path, solution.x, solution.times, solution.xs
        if not isinstance(path, AffinePath | Mixture):
            return solution
        t = broadcast_time(times[-1], x)
        if isinstance(path, Mixture):
            x1 = ExactJump(path).step(field, x, t, torch.ones_like(t), cond, generator=generator).x
        elif getattr(path, "latent", None) is None:
            x1 = path.estimate(field(x, t, cond), x, t).x1
        else:
            x1 = map_state(lambda p, u: p + like(align(1 - t, u) * u, p), x, field(x, t, cond))
        if isinstance(path.space, Domain):
            x1 = path.space.project(x1)  # a network's guess need not be inside
        times = torch.cat([times, times.new_ones(1)])
        xs = None if xs is None else map_state(lambda way, end: torch.cat([way, end[None]]), xs, x1)
        return Solution(x1, times, xs, solution.nfe + 1)


def _blocks(x: Tensor, cond: Cond, numbers: int) -> Iterator[tuple[Tensor, Cond]]:
    """Consecutive rows and their conditions; `numbers` is what one row takes."""
    size = max(1, BLOCK // max(1, numbers))
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield x[rows], map_state(lambda c, rows=rows: c[rows], cond)


def _joined(parts: list[Solution]) -> Solution:
    if len(parts) == 1:
        return parts[0]
    xs = None if parts[0].xs is None else map_state(lambda *ways: torch.cat(ways, 1), *(part.xs for part in parts))
    x = map_state(lambda *ends: torch.cat(ends), *(part.x for part in parts))
    return Solution(x, parts[0].times, xs, max(part.nfe for part in parts))
