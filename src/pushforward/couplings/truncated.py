"""The pairs of another coupling without the longest."""

import math
from dataclasses import dataclass, field

import torch

from pushforward.core import (
    Cond,
    Coupling,
    Gen,
    Pairs,
    State,
    map_state,
    mean_rows,
    require,
    require_part,
    same_shape,
    time_dtype,
)
from pushforward.core import shapes as shapes_of
from pushforward.couplings.paired import Paired

__all__ = ["Truncated"]


@dataclass(frozen=True)
class Truncated:
    r"""Pairs that are too long get no weight.

    .. math:: w_i = \frac{B}{k}\, \mathbf 1\Big[\tfrac1d \lVert x_0^i - x_1^i \rVert^2 < \delta\Big], \qquad
              k = \#\{i : \tfrac1d \lVert x_0^i - x_1^i \rVert^2 < \delta\}

    The loss becomes the mean over the pairs that stay. It is a rule about pairs, whatever is learned from them, and so
    a coupling: it runs where pairs are made and counts under every objective. Both marginals are trimmed where pairs
    are long; nothing moves or is drawn. delta = infinity leaves the pairs as they are. Rows of weight 0 pass through
    the network like the others; in a batch of long pairs alone all rows have weight 0.

    Source: Zhang et al., Flow Straighter and Faster (2025), https://arxiv.org/abs/2511.23342, for the pairs of a
        trained flow. Differs: the paper leaves such pairs out of its data set.

    Args:
        coupling: Whose pairs; weights of its own are kept in proportion.
        longest: delta > 0, in squared units of a coordinate; 0.87 in the paper's latents of ImageNet-512.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings, as the coupling takes them; `weight` is `[B]`.
    Raises: `InvalidInput` for a limit that is not positive, and for ends of different shapes.

    Example:
        >>> Truncated(longest=2.0)(torch.zeros(3, 2), torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]])).weight
        tensor([1.5000, 0.0000, 1.5000])
    """

    coupling: Coupling = field(default_factory=Paired)
    longest: float = math.inf

    def __post_init__(self) -> None:
        require_part("Truncated.coupling", self.coupling, Coupling, "a coupling such as Paired()")
        require(self.longest > 0, f"longest is {self.longest}, expected a positive number")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs with weights."""
        pairs = self.coupling(x0, x1, cond, generator=generator)
        require(
            same_shape(pairs.x0, pairs.x1),
            f"x0 has shape {shapes_of(pairs.x0)} and x1 {shapes_of(pairs.x1)}; a length needs the same shapes",
        )
        with torch.no_grad():
            square = mean_rows(map_state(lambda p, q: (p - q).to(time_dtype(p)).square(), pairs.x0, pairs.x1))
            weight = (square < self.longest).to(square.dtype)
            weight = weight if pairs.weight is None else weight * pairs.weight
            return pairs._replace(weight=weight / weight.mean().clamp_min(torch.finfo(weight.dtype).tiny))
