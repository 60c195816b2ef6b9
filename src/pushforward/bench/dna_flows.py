"""The flows over DNA that suites learn."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pushforward.bench.dna_parts import LETTERS, Group, Parts
from pushforward.core import Objective, Path, Solver, generator_from
from pushforward.data import Arrays
from pushforward.fields import Categorical, Logits
from pushforward.nets import SimplexInput, TokenCNN
from pushforward.objectives import DiscreteFlowMatching, FlowMatching
from pushforward.objectives.times import Exponential, Uniform
from pushforward.paths import Dirichlet, Mixture
from pushforward.solvers import Euler, ExactJump, solve
from pushforward.spaces import Tokens
from pushforward.training import Feed, Training, train

__all__ = ["FLOWS", "DNAFlow"]

BATCH = 16
WIDTH = 24
LAST = (
    0.9  # of the times of training from the mask: later ones weigh most and say least, and its posterior needs no time
)
TOGETHER = 200  # rows that are generated at once


class DNAFlow(NamedTuple):
    """A flow over sequences: how it is learned, and how it is followed."""

    path: Path
    objective: Objective
    net: nn.Module
    solver: Solver

    def learned(self, part: Arrays) -> Arrays:
        """Rows as the flow is told them: symbols, or vertices of the simplex."""
        if isinstance(self.path, Mixture):
            return part
        return Arrays(one_hot(cast(Tensor, part.x), len(LETTERS)).float(), part.cond)

    def fitted(self, parts: Parts, *, steps: int, seed: int) -> tuple[Any, int]:
        """The field that is learned, and after how many steps it did best on the rows to stop by."""
        feed = Feed(self.learned(parts.learn), space=self.path.space)
        settings = Training(
            steps,
            BATCH,
            5e-3,
            0.0,
            warmup=min(50, steps),
            ema=0.99,
            weight_decay=0.01,
            device="cpu",
            workers=0,
            validate_every=max(1, steps // 15),
            validation_batches=24,
            stop_after=4,
        )
        stop = feed.held_out(self.learned(parts.stop))
        done = train(self.net, self.objective, feed, settings, seed=seed, validation=stop)
        best = int((done.best or {"step": done.step})["step"])
        return cast(Any, self.objective).field(done.net.eval()), best

    def draws(self, field: Any, length: int, cond: Tensor | None, rows: int, *, steps: int, seed: int) -> Tensor:
        """`rows` sequences; on the simplex the last posterior is drawn from."""
        found = []
        for block in range(0, rows, TOGETHER):
            n, gen = min(TOGETHER, rows - block), generator_from(seed, "dna", "draws", block)
            like = torch.zeros(n, length, dtype=torch.int64)
            x0 = self.path.space.noise(
                like if isinstance(self.path, Mixture) else one_hot(like, 4).float(), generator=gen
            )
            told = None if cond is None else cond[block : block + n]
            with torch.no_grad():
                times = torch.linspace(0, 1, steps + 1)
                x = solve(field, x0, times, solver=self.solver, cond=told, generator=gen).x
                if not isinstance(self.path, Mixture):
                    x = cast(Categorical, field.law(x, torch.ones(n), told)).sample(generator=gen)
            found.append(cast(Tensor, x))
        return torch.cat(found)


def _masked(classes: int | None, kind: Group) -> DNAFlow:
    """Discrete flow matching from the mask."""
    path = Mixture(Tokens(len(LETTERS), mask=True))
    net = TokenCNN(len(LETTERS), mask=True, classes=classes, width=WIDTH, dilations=kind.dilations, length=kind.length)
    return DNAFlow(path, DiscreteFlowMatching(path, times=Uniform(0.0, LAST)), net, ExactJump(path))


def _dirichlet(classes: int | None, kind: Group) -> DNAFlow:
    """Dirichlet flow matching."""
    path = Dirichlet()
    net = SimplexInput(
        TokenCNN(2 * len(LETTERS), classes=classes, width=WIDTH, dilations=kind.dilations, length=kind.length),
        path.clock,
    )
    return DNAFlow(path, FlowMatching(path, head=Logits(), times=Exponential()), net, Euler(path.space))


FLOWS: dict[str, Callable[[int | None, Group], DNAFlow]] = {"masked": _masked, "Dirichlet": _dirichlet}
