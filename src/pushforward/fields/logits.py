"""The network says which symbol the data holds."""

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from pushforward.core import Law, Path, Point, State
from pushforward.fields.categorical import Categorical
from pushforward.fields.ends import EDGE, require_symbols

__all__ = ["Logits"]


@dataclass(frozen=True)
class Logits:
    r"""The network says the posterior of every symbol of the data, and the path turns it into rates or velocities.

    .. math:: p_\theta^i(k \mid x, t) = \mathrm{softmax}(\mathrm{net}(x, t)_i)_k \approx
              \mathrm P(x_1^i = k \mid x_t = x)

    It is scored by the cross-entropy. There is no logit for the mask, which is never data. Singular at t = 1: `span` is
    where rates may be followed; `ExactJump` goes all the way.

    Source: the x-prediction of Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595.

    Raises: `Incompatible` (`check`) on a path of anything but tokens and probability vectors.

    Example:
        >>> law = Logits().law(torch.zeros(1, 2, 4), torch.tensor([[0, 3]]), torch.tensor([0.5]))
        >>> law.loss(torch.tensor([[1, 2]]))
        tensor([1.3863])
    """

    def span(self, path: Path) -> tuple[float, float]:
        """Where the motion is finite."""
        return getattr(path, "span", (0.0, 1.0 - EDGE))

    def check(self, path: Path) -> None:
        """The path must be one of tokens or of probability vectors, with a motion from p(x1 | x_t)."""
        require_symbols(path, "Logits", "drift")

    def law(self, out: State, x: State, t: Tensor) -> Categorical:
        """Independent symbols."""
        return Categorical(cast(Tensor, out))

    def law_on(self, space: Any, out: State, x: State, t: Tensor) -> Categorical:
        """Independent symbols, whatever the geometry of their probabilities."""
        return self.law(out, x, t)

    def target(self, path: Path, point: Point) -> State:
        """The data end of the pair, as symbols."""
        x1 = cast(Tensor, point.pairs.x1)
        return x1.argmax(-1) if x1.is_floating_point() else x1

    def velocity(self, path: Path, law: Law, x: State, t: Tensor) -> State:
        """The path's rates, or its velocity."""
        return require_symbols(path, "Logits", "drift").drift(law, x, t)
