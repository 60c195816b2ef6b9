"""Pairs for a training step, as a pure function of the step."""

from dataclasses import dataclass, field, replace
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import Coupling, Incompatible, Pairs, Space, State, generator_from, leaves, require
from pushforward.couplings import Independent, Paired
from pushforward.data import Arrays, Batches, Identity, Transform
from pushforward.spaces import Euclidean

__all__ = ["Feed", "PairSource"]


@runtime_checkable
class PairSource(Protocol):
    """Where a training run gets its batches; `Feed` is the usual one."""

    def pairs(self, step: int, size: int, *, seed: int) -> Pairs:
        """`size` coupled rows: a pure function of the arguments, so that a resumed run sees the same ones."""
        ...


@dataclass(frozen=True)
class Feed:
    """Draws both ends, brings them to model units, and couples them.

    Args:
        train: Batches of x1 and its condition, in data units.
        coupling: Who travels to whom. With `Paired` the rows of `source` and `train`, as many `Arrays` rows each, are
            asked with one seed, which keeps row i beside row i; with any other coupling the two are independent.
        source: Batches of x0 in data units, or None for the noise of the space, which is in model units.
        space: Where model units live.
        transform: Data units to model units, for x1 and for the x0 of a source alike.
        span: Batches that are coupled together, >= 1: one plan over so many times the rows feeds as many steps, and
            travels less far.

    Raises: `Incompatible` for `Paired` over a source whose rows are not the partners of those of `train`.

    Example:
        >>> feed = Feed(pf.data.Arrays(torch.randn(10, 2)))
        >>> feed.pairs(3, 4, seed=0).x0.shape
        torch.Size([4, 2])
    """

    train: Batches
    coupling: Coupling = field(default_factory=Independent)
    source: Batches | None = None
    space: Space = field(default_factory=Euclidean)
    transform: Transform = field(default_factory=Identity)
    span: int = 1
    _latest: dict[str, tuple[tuple[int, int, int], Pairs]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require(self.span >= 1, f"span is {self.span}, expected at least 1")
        if self._partners:
            m, n = (len(part) if isinstance(part, Arrays) else "endless" for part in (self.source, self.train))
            require(
                m == n != "endless",
                f"Paired keeps row i of x0 beside row i of x1, but there are {m} rows x0 and {n} rows x1; "
                "give as many of both, or choose another coupling",
                Incompatible,
            )

    @property
    def _partners(self) -> bool:
        """Whether every row of the source belongs to one row of the data."""
        return isinstance(self.coupling, Paired) and self.source is not None

    def pairs(self, step: int, size: int, *, seed: int) -> Pairs:
        """`size` coupled rows in model units, for update `step` counted from 0."""
        if self.span == 1:
            return self._coupled(step, size, seed=seed)
        block, place = divmod(step, self.span)
        asked = (block, size, seed)
        found = self._latest.get("pairs")  # one look: other threads may ask for other steps
        if found is None or found[0] != asked:
            found = asked, self._coupled(block, size * self.span, seed=seed)
            self._latest["pairs"] = found
        return found[1].map(lambda leaf: leaf[place * size : (place + 1) * size])

    @torch.no_grad()
    def _coupled(self, step: int, size: int, *, seed: int) -> Pairs:
        x1, cond = self.train.batch(step, size, seed=seed)
        device = leaves(x1)[0].device

        def generator(stream: str) -> torch.Generator:
            return generator_from(seed, stream, step, device=device)

        x1 = self._model_units(x1, generator=generator("transform"))
        if self.source is None:
            x0 = self.space.noise(x1, generator=generator("noise"))
        else:
            other = seed if self._partners else generator_from(seed, "source").initial_seed()
            x0, _ = self.source.batch(step, size, seed=other)
            x0 = self._model_units(x0, generator=generator("source transform"))
        return self.coupling(x0, x1, cond, generator=generator("coupling"))

    def _model_units(self, x: State, *, generator: torch.Generator) -> State:
        return self.transform.forward(cast(Tensor, x), generator=generator)  # the identity takes mappings, too

    def held_out(self, test: Batches) -> "Feed":
        """The same feed over held-out rows, for validation.

        Raises: `Incompatible` under `Paired`, whose source holds no partners of these rows.
        """
        require(
            not self._partners,
            "held-out rows have no partners in the source, which Paired needs; set training.validate_every to null",
            Incompatible,
        )
        return replace(self, train=test)
