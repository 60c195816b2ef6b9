"""Partial optimal transport within the batch."""

from dataclasses import dataclass, field

import torch

from pushforward.core import Cond, Gen, Pairs, State, require, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.transport import Cost, SquaredEuclidean, partial_assignment

__all__ = ["PartialOT"]


@dataclass(frozen=True)
class PartialOT:
    r"""Minibatch partial optimal transport (m-POT): only the share s of a batch that matches well counts.

    .. math:: \min_{P \ge 0} \sum_{ij} P_{ij}\,|x_0^i - x_1^j|^2, \quad P 1 \le \tfrac1B,\ P^\top 1 \le \tfrac1B,\
              1^\top P\, 1 = s; \qquad w_j = \frac{B}{s} \sum_i P_{ij}

    A batch rarely has as many rows from a cluster of the source as from its counterpart in the data, and outliers have
    no counterpart at all; full transport must join what is left over, however far. Here k = s B (rounded, at least 1)
    pairs are chosen and weigh B / k; the other rows weigh 0, and meet in some order. Nothing is drawn, lost or
    repeated.

    Neither marginal stays: the weights do not repair them, they leave out what matches badly. Both are trimmed, not
    distorted: in every batch the weighted rows of either side have a density of at most 1 / s with respect to all of
    them, so that they are off by 1 - s at most in total variation. s = 1 is `ExactOT`, weights 1; a schedule of s
    that ends there keeps the marginals in the end. Rows of weight 0 pass through the network like the others.

    Source: Nguyen et al., Improving Mini-batch Optimal Transport via Partial Transportation (ICML 2022),
        https://arxiv.org/abs/2108.09645, there a loss between features. Differs: the plan becomes pairs with weights
        instead of a value; s B is rounded to a whole number, for which the plan is a matching.

    Args:
        mass: s, in `(0, 1]`.
        tolerance: Relative duality gap of the pairing, in `[1e-8, 1]`. See `transport.partial_assignment`.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings (costs are summed); x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, and for states that are not finite.

    Example:
        >>> pairs = PartialOT(0.5)(torch.tensor([[0.0], [10.0]]), torch.tensor([[99.0], [1.0]]))
        >>> pairs.weight  # the outlier does not count, and the source that is left over goes there
        tensor([0., 2.])
    """

    mass: float = 0.9
    tolerance: float = 1e-4
    cost: Cost = field(default_factory=SquaredEuclidean)

    def __post_init__(self) -> None:
        require(0 < self.mass <= 1, f"mass is {self.mass}, expected a share of the batch in (0, 1]")
        require(1e-8 <= self.tolerance <= 1, f"tolerance is {self.tolerance}, expected within [1e-8, 1]")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs; `generator` is not used."""
        check_rows(x0, x1, cond)
        cost = pairwise_cost(x1, x0, self.cost)
        size = len(cost)
        count = max(1, round(self.mass * size))
        source = partial_assignment(cost, count, tolerance=self.tolerance).column
        matched = source >= 0
        free = torch.ones_like(matched).index_fill_(0, source[matched], False)
        source = source.masked_scatter(~matched, free.nonzero()[:, 0])
        return Pairs((take(x0, source), x1), cond=cond, weight=matched.to(cost.dtype) * (size / count))
