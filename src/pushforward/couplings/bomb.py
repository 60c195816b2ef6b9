"""Optimal transport between the mini-batches of a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor

from pushforward.core import (
    Cond,
    Coupling,
    Gen,
    Incompatible,
    Pairs,
    State,
    batch_size,
    cat_states,
    dot,
    map_state,
    require,
    take,
)
from pushforward.couplings._batch import SQUARED, check_rows, paired_cost, pairwise_cost
from pushforward.couplings._draws import draw_rows
from pushforward.couplings.exact import ExactOT
from pushforward.transport import Cost, assignment, sinkhorn

__all__ = ["BombOT"]


@dataclass(frozen=True)
class BombOT:
    r"""Transport in two storeys (BoMb-OT): between the rows of mini-batches, and between the mini-batches.

    .. math:: \gamma = \arg\min_{\gamma 1 = \gamma^\top 1 = 1/k} \sum_{ij} \gamma_{ij} \Phi_{ij}, \qquad
              \Phi_{ij} = \min_P \langle P, C(X_0^i, X_1^j)\rangle, \qquad
              P = \sum_{ij} \gamma_{ij} P^{ij}

    The batch is cut into k mini-batches on either side, in the order in which it comes; `inner` couples each with each,
    and the outer plan says which of these couplings are used. It is a permutation of the mini-batches, hence with
    `ExactOT` inside both marginals stay exact and every row is used once. The mean cost lies between that of exact
    transport of the whole batch and that of mini-batches paired at random.

    With `epsilon` the outer plan is entropic and every mini-batch of data draws its partner: source rows come in
    expectation once. `epsilon` infinite is the plain mini-batch average (m-OT, gamma = 1 / k^2); one mini-batch is
    `inner` alone, as many as rows is exact transport. What `inner` does to marginals and weights it does here, too.

    Source: Nguyen et al., On Transportation of Mini-batches: A Hierarchical Approach (ICML 2022),
        https://arxiv.org/abs/2102.05912, there a loss. Differs: the plan becomes pairs; the cost of an inner plan is
        that of the pairs it gave, by its own `cost` (squared distances where it has none), which for plans that are
        drawn from is an estimate.

    Args:
        blocks: k, at least 1. Where it does not divide the batch the first mini-batches have a row more, and only
            those of one size are paired; a batch of fewer rows has as many mini-batches as rows.
        inner: Coupling of two mini-batches.
        epsilon: Strength of the outer entropy in mean inner costs, from 0 to infinity.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings (costs are summed). The mini-batches of data stay in
        order; their rows do if `inner` leaves them.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, for states that are not finite, and
        where `inner` does; `Incompatible` for an `inner` that changes the number of rows or has more anchors than two.

    Example:
        >>> couple = BombOT(blocks=2)
        >>> x = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> couple(x, x.flip(0)).x0.flatten()
        tensor([11., 10.,  1.,  0.])
    """

    blocks: int = 4
    inner: Coupling = field(default_factory=ExactOT)
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        require(self.blocks >= 1, f"blocks is {self.blocks}, expected a number of mini-batches, at least 1")
        require(self.epsilon >= 0, f"epsilon is {self.epsilon}, expected a number from 0 to infinity")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        rows = batch_size(x1)
        one = torch.arange(1)
        cost = getattr(self.inner, "cost", SQUARED)
        device = pairwise_cost(take(x0, one), take(x1, one), cost).device  # refuses states without a distance
        blocks = min(self.blocks, rows)
        cut = torch.arange(rows, device=device).tensor_split(blocks)
        larger = rows % blocks
        pairs = [self._group(x0, x1, cond, group, generator) for group in (cut[:larger], cut[larger:]) if group]
        return reduce(_joined, [block for group in pairs for block in group])

    def _group(self, x0: State, x1: State, cond: Cond, cut: Sequence[Tensor], generator: Gen) -> list[Pairs]:
        """The chosen pairs of every mini-batch of data, for mini-batches of one size."""
        table = [[self.inner(take(x0, i), take(x1, j), take(cond, j), generator=generator) for i in cut] for j in cut]
        for pairs in (pairs for row in table for pairs in row):
            require(
                pairs.size == len(cut[0]) and len(pairs.anchors) == 2,
                f"inner gave {pairs.size} rows and {len(pairs.anchors)} anchors for mini-batches of {len(cut[0])}; "
                "choose a coupling that keeps the number of rows, such as ExactOT",
                Incompatible,
            )
        cost = getattr(self.inner, "cost", SQUARED)
        costs = torch.stack([torch.stack([_mean_cost(pairs, cost) for pairs in row]) for row in table])
        return [row[i] for row, i in zip(table, self._partners(costs, generator).tolist(), strict=True)]

    def _partners(self, costs: Tensor, generator: Gen) -> Tensor:
        """The mini-batch of sources for every mini-batch of data."""
        if self.epsilon == 0:
            return assignment(costs, tolerance=1e-8)
        if math.isinf(self.epsilon):
            return draw_rows(torch.ones_like(costs), generator)
        return draw_rows(sinkhorn(costs, self.epsilon * (costs.abs().mean().item() or 1.0)), generator)


@torch.no_grad()
def _mean_cost(pairs: Pairs, of: Cost) -> Tensor:
    """What the pairs cost on average, by their weights."""
    if of == SQUARED:
        step = map_state(lambda x, y: (y - x).double(), pairs.x0, pairs.x1)
        cost = dot(step, step)
    else:
        cost = paired_cost(pairs.x0, pairs.x1, of).double()
    return (cost if pairs.weight is None else cost * pairs.weight).mean()


def _joined(a: Pairs, b: Pairs) -> Pairs:
    """The rows of `a`, then those of `b`."""
    anchors = cat_states(a.x0, b.x0), cat_states(a.x1, b.x1)
    return a._replace(anchors=anchors, cond=cat_states(a.cond, b.cond), weight=cat_states(a.weight, b.weight))
