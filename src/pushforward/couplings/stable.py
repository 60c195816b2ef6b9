"""A matching that no two rows would rather leave."""

from dataclasses import dataclass, field

from pushforward.core import Cond, Gen, Pairs, State, take
from pushforward.couplings._batch import check_rows, pairwise_cost
from pushforward.transport import Cost, SquaredEuclidean, stable_matching

__all__ = ["StableMatching"]


@dataclass(frozen=True)
class StableMatching:
    r"""The stable coupling of Multisample Flow Matching: nearest pairs first, instead of the least total.

    .. math:: \text{no } (i, j):\quad C_{ij} < C_{i\sigma(i)}\ \text{ and }\ C_{ij} < C_{\sigma^{-1}(j)j}, \qquad
              C_{ij} = c(x_0^i, x_1^j)

    A permutation of the source rows: both marginals stay exact. The pairs that are made last are far apart: the mean
    cost is above that of `ExactOT`, and between clouds that lie apart it can be above that of `Independent`.

    Source: Pooladian et al., Multisample Flow Matching (ICML 2023), https://arxiv.org/abs/2304.14772, its stable
        coupling.

    Args:
        cost: What a pair costs, a part of `transport` or any callable `(x0, x1)` -> `[B, B]`, rows x0; only its order
            counts.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings; x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows or the shapes of events differ, and for costs that are not finite.

    Example:
        >>> StableMatching()(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [2.5]])).x0
        tensor([[0.],
                [2.]])
    """

    cost: Cost = field(default_factory=SquaredEuclidean)

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs; `generator` is not used."""
        check_rows(x0, x1, cond)
        return Pairs((take(x0, stable_matching(pairwise_cost(x1, x0, self.cost))), x1), cond=cond)
