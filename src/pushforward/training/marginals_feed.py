"""Batches of K coupled marginals, as a pure function of the step."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Incompatible, Pairs, Space, State, generator_from, leaves, require
from pushforward.couplings import Chain, Paired
from pushforward.data import Arrays, Batches, Identity, Transform
from pushforward.spaces import Euclidean

__all__ = ["MarginalsFeed"]


@dataclass(frozen=True)
class MarginalsFeed:
    """Draws a batch of every marginal, brings them to model units, and couples them: `Feed` for more than two.

    Args:
        marginals: Batches of each, in data units; None, not the last, for the noise of the space. The condition is that
            of the last.
        coupling: How they are joined. With `Chain(Paired())` all are `Arrays` with as many rows, asked with one seed,
            so that row i stays with row i; with any other link they are independent.
        space: Where model units live.
        transform: Data units to model units, one for all.

    Raises: `InvalidInput` for fewer than two marginals, or none that is data at the end; `Incompatible` for `Paired`
        marginals without partners.

    Example: noise, rings and a checkerboard, any to any; then the same three as snapshots, matched one to the next.
        >>> from pushforward.objectives import FlowMatching, Multimarginal, OnCurves
        >>> laws = (None, pf.data.Stream(pf.data.Rings()), pf.data.Stream(pf.data.Checkerboard()))
        >>> settings = pf.training.Training(steps=3, batch_size=8)
        >>> net = pf.nets.CornerNet(pf.nets.MLP((3 * 2,), features=3), marginals=3)
        >>> pf.training.train(net, Multimarginal(OnCurves.edges(3), noise=0), MarginalsFeed(laws), settings).step
        3
        >>> times = (0.0, 0.3, 1.0)
        >>> feed = MarginalsFeed(laws, Chain(pf.couplings.ExactOT(), times))
        >>> path = pf.paths.MultiAffine(pf.paths.NaturalSpline(times))
        >>> pf.training.train(pf.nets.MLP((2,)), FlowMatching(path), feed, settings).step
        3
    """

    marginals: tuple[Batches | None, ...]
    coupling: Chain = field(default_factory=Chain)
    space: Space = field(default_factory=Euclidean)
    transform: Transform = field(default_factory=Identity)

    def __post_init__(self) -> None:
        require(
            len(self.marginals) >= 2 and self.marginals[-1] is not None,
            f"MarginalsFeed got {len(self.marginals)} marginals, expected at least two, of which the last is data",
        )
        if self._partners:
            rows = [len(part) if isinstance(part, Arrays) else "endless" for part in self.marginals]
            require(
                len(set(rows)) == 1 and rows[0] != "endless",
                f"Paired keeps the rows of all marginals together, but they have {rows} rows; give Arrays of as many "
                "rows each, or choose another link",
                Incompatible,
            )

    @property
    def _partners(self) -> bool:
        return isinstance(self.coupling.link, Paired)

    @torch.no_grad()
    def pairs(self, step: int, size: int, *, seed: int) -> Pairs:
        """`size` rows of K anchors in model units, for update `step` counted from 0."""
        last = self.marginals[-1]
        assert last is not None
        x, cond = last.batch(step, size, seed=seed)
        device = leaves(x)[0].device

        def generator(*stream: str | int) -> torch.Generator:
            return generator_from(seed, *stream, step, device=device)

        def model_units(x: State, k: int) -> State:
            return self.transform.forward(cast(Tensor, x), generator=generator("transform", k))

        found = [model_units(x, len(self.marginals) - 1)]
        for k, batches in reversed(list(enumerate(self.marginals[:-1]))):
            if batches is None:
                found.insert(0, self.space.noise(found[-1], generator=generator("noise", k)))
                continue
            own = seed if self._partners else generator_from(seed, "marginal", k).initial_seed()
            found.insert(0, model_units(batches.batch(step, size, seed=own)[0], k))
        return self.coupling(found, cond, generator=generator("coupling"))
