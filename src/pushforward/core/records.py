"""The records that travel between the rooms. All are NamedTuples, hence pytrees."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from pushforward.core.state import Cond, State, batch_size, map_state

if TYPE_CHECKING:
    from pushforward.core.protocols import Law

__all__ = ["Coeffs", "Estimate", "Loss", "Pairs", "Point", "Probabilities", "Step"]


class Pairs(NamedTuple):
    """Who travels to whom: `anchors[k]` is where a row is at `times[k]`.

    `weight` `[B]` is how much a row counts (unbalanced couplings); None counts every row once.
    """

    anchors: tuple[State, ...]
    times: tuple[float, ...] = (0.0, 1.0)
    cond: Cond = None
    weight: Tensor | None = None

    @property
    def x0(self) -> State:
        """Source rows."""
        return self.anchors[0]

    @property
    def x1(self) -> State:
        """Data rows."""
        return self.anchors[-1]

    @property
    def size(self) -> int:
        """`B`."""
        return batch_size(self.anchors[0])

    def map(self, f: Callable[[Tensor], Tensor]) -> "Pairs":
        """Apply `f` to every tensor."""
        return self._replace(
            anchors=tuple(map_state(f, anchor) for anchor in self.anchors),
            cond=map_state(f, self.cond),
            weight=map_state(f, self.weight),
        )


class Point(NamedTuple):
    """A draw from p_t(x | anchors); `latent` is the noise z that a stochastic interpolant added."""

    x: State
    t: Tensor
    pairs: Pairs
    latent: State | None = None


class Estimate(NamedTuple):
    """Both ends as seen from x_t: the denoiser E[x1 | x_t] and the noise predictor E[x0 | x_t]."""

    x1: State
    x0: State


class Coeffs(NamedTuple):
    """alpha, sigma and their time derivatives at times `[B]`: x_t = alpha x1 + sigma x0."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor

    @property
    def wronskian(self) -> Tensor:
        """W = alpha' sigma - alpha sigma', positive while the signal-to-noise ratio grows."""
        return self.d_alpha * self.sigma - self.alpha * self.d_sigma


class Loss(NamedTuple):
    """A scalar to minimise, and the detached mean of each of its terms."""

    value: Tensor
    terms: Mapping[str, Tensor]

    @classmethod
    def mean(cls, rows: Mapping[str, Tensor], weight: Tensor | None = None) -> "Loss":
        """Average per-row terms `[B]`, each row counted `weight` times."""
        means = {k: (v if weight is None else v * weight).mean() for k, v in rows.items()}
        return cls(reduce(torch.add, means.values()), {k: v.detach() for k, v in means.items()})


class Step(NamedTuple):
    """What a solver's step gives: the new state, its law (SDEs), a local error, and what the next step needs."""

    x: State
    law: "Law | None" = None
    error: State | None = None
    carry: Any = None


class Probabilities(NamedTuple):
    r"""A law of symbols by its probabilities, as exact answers give them; networks say logits.

    .. math:: \ell(y) = -\tfrac1N \textstyle\sum_i \log p_i(y_i)

    Shapes: `mean` `[B, *E, V]`, targets `[B, *E]` int64; the loss is `[B]`.

    Example:
        >>> Probabilities(torch.tensor([[[0.25, 0.75]]])).loss(torch.tensor([[0]])).exp()
        tensor([4.])
    """

    mean: Tensor

    def loss(self, target: State) -> Tensor:
        """Cross-entropy `[B]`, mean over positions."""
        assert isinstance(target, Tensor)
        return -self.mean.gather(-1, target[..., None]).log().flatten(1).mean(1)
