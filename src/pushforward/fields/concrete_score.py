"""The network says the score of a Gumbel-softmax path."""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from pushforward.core import (
    Incompatible,
    InvalidInput,
    Law,
    Path,
    Point,
    Probabilities,
    State,
    require,
    same_shape,
    shapes,
)
from pushforward.fields.ends import EDGE
from pushforward.paths import GumbelSoftmax
from pushforward.paths.on_simplex import ends_of

__all__ = ["ConcreteScore", "Shares"]


class Shares(NamedTuple):
    r"""Shares of every coordinate in the score of a Gumbel-softmax law, scored by cross-entropy with other shares.

    Shapes: `logits` and targets `[B, *E, K]`; the loss is `[B]`, a mean over positions.

    Example:
        >>> Shares(torch.zeros(1, 2, 4)).loss(torch.full((1, 2, 4), 0.25))
        tensor([1.3863])
    """

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """The shares, of sum 1."""
        return self.logits.to(torch.promote_types(self.logits.dtype, torch.float32)).softmax(-1)

    def loss(self, target: State) -> Tensor:
        """Cross-entropy of every row; its minimiser is the mean of the targets."""
        if not same_shape(self.logits, target):
            raise InvalidInput(f"the network gave {shapes(self.logits)} for shares {shapes(target)}; return one each")
        logits = self.logits.to(torch.promote_types(self.logits.dtype, torch.float32))
        terms = cast(Tensor, target) * logits.log_softmax(-1)
        return -terms.sum(-1)[..., None].flatten(1).mean(1)


@dataclass(frozen=True)
class ConcreteScore:
    r"""The network says what the score in logits is made of, and so its range and sum are right by construction.

    .. math:: s_\theta(x, t) = \tau\,\big(K\, \mathrm{softmax}(\mathrm{net}(x, t)) - 1\big), \qquad
              \mathrm{target} = \mathrm{softmax}(\log a^{(k)} - \tau \log x_t)

    The target's mean given x_t gives the marginal score in y = log x (derived). The posterior of the symbols, and with
    it the velocity, is a linear function of the score for t > 0 (`GumbelSoftmax.posterior`), which magnifies errors by
    1 / (A - 1) near t = 0; entries below 0 are cut.

    Source: Tang et al., Gumbel-Softmax Flow Matching with Straight-Through Guidance for Controllable Biological
        Sequence Generation (2025), https://arxiv.org/abs/2503.17361, its score matching. Differs: cross-entropy where
        a squared error is as good, and the way back to a velocity.

    Raises: `Incompatible` (`check`) on any path but `GumbelSoftmax`, and on the `published` one.

    Example:
        >>> path, head, x = pf.paths.GumbelSoftmax(), ConcreteScore(), torch.tensor([[0.5, 0.5]])
        >>> head.score(path, head.law(torch.zeros(1, 2), x, torch.zeros(1)), x, torch.zeros(1))
        tensor([[0., 0.]])
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where a velocity follows from the score."""
        return (EDGE, 1.0)

    def check(self, path: Path) -> None:
        """The path must be a Gumbel-softmax one whose velocity is its own."""
        _require(path)

    def law(self, out: State, x: State, t: Tensor) -> Shares:
        """Shares."""
        return Shares(cast(Tensor, out))

    def target(self, path: Path, point: Point) -> State:
        """The shares of the symbol that is known."""
        return _require(path).shares(ends_of(point.pairs)[1], cast(Tensor, point.x), point.t)

    def score(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The score in logits."""
        return _require(path).score_of(cast(Tensor, law.mean), cast(Tensor, x), t)

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The velocity of the posterior that the score means."""
        probs = _require(path).posterior(cast(Tensor, law.mean), cast(Tensor, x), t).clamp_min(0.0)
        total = probs.sum(-1, keepdim=True)
        probs = probs / torch.where(total > 0, total, 1.0)
        return _require(path).drift(Probabilities(probs), x, t)


def _require(path: Any) -> GumbelSoftmax:
    require(
        isinstance(path, GumbelSoftmax) and not path.published,
        f"ConcreteScore speaks of the score of GumbelSoftmax(), got {path}; use Logits()",
        Incompatible,
    )
    return path
