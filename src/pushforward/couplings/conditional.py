"""Optimal transport that leaves every condition its own share of the whole source."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import Cond, Gen, Pairs, State, leaves, require, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.transport import Cost, SquaredEuclidean, assignment

__all__ = ["ConditionalOT"]


@dataclass(frozen=True)
class ConditionalOT:
    r"""Minibatch optimal transport for conditional models (C2OT): a pair also costs what its conditions differ by.

    .. math:: \sigma^* = \arg\min_{\sigma \in S_B} \sum_j c\big(x_0^{\sigma(j)}, x_1^j\big)
              + w\,c_y\big(y_{\sigma(j)}, y_j\big)

    Source row i is given the condition of data row i, of which it is independent: so each condition has a share of the
    sources that is distributed like the whole source, and a plan that keeps to it (w large) gives a model at training
    time the source it is sampled from. Plain transport (w = 0) does not: given a condition, its sources are skewed.

    With w = infinity pairs never leave their condition, and the plan is optimal transport within each set of equal
    conditions, solved set by set; where no two conditions are equal that is the independent coupling. In between, w is
    fixed, or found afresh for every batch as the one under which a share `ratio` of all source rows would still be
    accepted by a data row in place of its own:

    .. math:: r(w) = \frac1{B^2} \sum_{ij} 1\big[c(x_0^i, x_1^j) + w\,c_y(y_i, y_j) \le c(x_0^j, x_1^j)\big] = r^*

    :math:`r(0) \approx 1/2`, and r falls to the share of pairs of equal conditions, 1 / B at least. The entry (i, j)
    leaves the sum where w passes :math:`(c(x_0^j, x_1^j) - c(x_0^i, x_1^j)) / c_y(y_i, y_j)`, hence w is a quantile of
    these numbers (derived). Where r(0) is below `ratio` already, w is 0 for that batch; where r stays above it, w is
    infinite.

    A permutation of the source rows: both marginals stay exact. For continuous conditions and finite w the source given
    a condition keeps a bias, between none and that of plain transport.

    Source: Cheng & Schwing, The Curse of Conditions: Analyzing and Improving Optimal Transport for Conditional
        Flow-Based Generation (ICCV 2025), https://arxiv.org/abs/2503.10636. Differs: w is computed, where the paper
        searches by doubling and bisection from the last batch's w; the reference code, once it has found w = 0, leaves
        conditions out for the rest of the training. Labels are solved class by class, not with a penalty of 1e6.

    Args:
        weight: w >= 0, in units of `cost` per unit of `condition_cost`; None is infinity for labels, and for vectors
            what `ratio` asks for.
        ratio: r*, in (0, 0.5], for `weight=None` and vectors; 0.2 in the paper's images, 0.05 in its plane. It needs
            batches of more than 1 / ratio rows.
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0.
        condition_cost: What it costs to have another vector for a condition; `CosineDistance` suits embeddings. Another
            label costs 1. The costs of labels and vectors in one mapping are added.
        tolerance: Relative duality gap of the pairing, in `[1e-8, 1]`; see `transport.auction`.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings; x1 and cond stay in place. Without conditions this is
        `ExactOT`.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, for states without distances or
        that are not finite, and for vectors that are not finite under a finite weight.

    Example:
        >>> x0, x1 = torch.tensor([[0.0], [9.0], [1.0]]), torch.tensor([[8.0], [1.0], [9.0]])
        >>> ConditionalOT()(x0, x1, torch.tensor([0, 0, 1])).x0.squeeze(1)
        tensor([9., 0., 1.])
    """

    weight: float | None = None
    ratio: float = 0.2
    cost: Cost = field(default_factory=SquaredEuclidean)
    condition_cost: Cost = field(default_factory=SquaredEuclidean)
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require(self.weight is None or self.weight >= 0, f"weight is {self.weight}, expected None or at least 0")
        require(0 < self.ratio <= 0.5, f"ratio is {self.ratio}, expected within (0, 0.5]")
        require(1e-8 <= self.tolerance <= 1, f"tolerance is {self.tolerance}, expected within [1e-8, 1]")

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs; `generator` is not used."""
        check_rows(x0, x1, cond)
        return Pairs((take(x0, self._order(x0, x1, cond)), x1), cond=cond)

    @torch.no_grad()
    def _order(self, x0: State, x1: State, cond: Cond) -> Int[Tensor, " b"]:
        weight = self.weight
        if weight is None and cond is not None and not any(leaf.is_floating_point() for leaf in leaves(cond)):
            weight = math.inf
        if cond is not None and weight == math.inf:
            return self._within(x0, x1, cond)
        cost = pairwise_cost(x1, x0, self.cost)
        if cond is None or weight == 0:
            return assignment(cost, tolerance=self.tolerance)
        # float64, or a large weight leaves nothing of the cost
        cost, between = cost.double(), self._between(cond).to(cost.device)
        weight = _weight(cost, between, self.ratio) if weight is None else weight
        if weight == math.inf:
            return self._within(x0, x1, cond)
        return assignment(cost.add_(between, alpha=weight), tolerance=self.tolerance)

    def _within(self, x0: State, x1: State, cond: State) -> Int[Tensor, " b"]:
        """Transport within each set of equal conditions."""
        group = _groups(cond).to(leaves(x1)[0].device)
        order = torch.arange(len(group), device=group.device)
        for rows in group.argsort(stable=True).split(group.bincount().tolist()):
            if len(rows) > 1:
                cost = pairwise_cost(take(x1, rows), take(x0, rows), self.cost)
                order[rows] = rows[assignment(cost, tolerance=self.tolerance)]
        return order

    def _between(self, cond: State) -> Float[Tensor, "b b"]:
        """What it costs to trade conditions, float64; rows are the data's, columns the sources'."""
        named = cond if isinstance(cond, Mapping) else {"": cond}
        vectors = {name: leaf for name, leaf in named.items() if leaf.is_floating_point()}
        labels = [leaf.reshape(len(leaf), -1) for leaf in named.values() if not leaf.is_floating_point()]
        costs = [(y[:, None] != y).any(2).double() for y in labels]
        if vectors:
            one = next(iter(vectors.values())) if len(vectors) == 1 else vectors
            costs.append(pairwise_cost(one, one, self.condition_cost).double())
        total = torch.stack(costs).sum(0)
        require(
            bool(total.isfinite().all()),
            "conditions have costs that are not finite; look for NaN or infinity in cond, or give labels",
        )
        return total


def _groups(cond: State) -> Int[Tensor, " b"]:
    """The number of the set of equal conditions that each row belongs to."""
    parts = [leaf.unique(return_inverse=True, dim=0 if leaf.ndim > 1 else None)[1] for leaf in leaves(cond)]
    return parts[0] if len(parts) == 1 else torch.stack(parts, 1).unique(return_inverse=True, dim=0)[1]


def _weight(cost: Float[Tensor, "b b"], between: Float[Tensor, "b b"], ratio: float) -> float:
    """The weight under which `ratio` of the entries are at most their row's diagonal."""
    gain = cost.diagonal()[:, None] - cost
    # of equal conditions: at every weight, or at none
    leaves_at = torch.where(between > 0, gain / between, torch.where(gain >= 0, math.inf, -math.inf))
    kept = max(1, round(ratio * gain.numel()))
    return max(0.0, leaves_at.flatten().kthvalue(gain.numel() - kept + 1).values.item())
