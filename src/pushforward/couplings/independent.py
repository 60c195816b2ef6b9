"""The product of the marginals."""

from dataclasses import dataclass

from pushforward.core import Cond, Gen, Pairs, State, leaves, randperm, take
from pushforward.couplings._batch import check_rows

__all__ = ["Independent"]


@dataclass(frozen=True)
class Independent:
    r"""Source and data know nothing of each other.

    .. math:: \pi(x_0, x_1) = p_0(x_0)\,p_1(x_1)

    The rows of x0 are shuffled. For freshly drawn noise that changes nothing; where both batches come from one table,
    row i with row i, it is what makes the coupling independent. `Paired` keeps such rows together.

    Source: Lipman et al., Flow Matching for Generative Modeling (ICLR 2023), https://arxiv.org/abs/2210.02747.

    Shapes: `x0`, `x1` and `cond` `[B, *E]`, tensors or mappings; x1 and cond stay in place.
    Raises: `InvalidInput` when the numbers of rows differ.

    Example:
        >>> pairs = Independent()(torch.zeros(3, 2), torch.ones(3, 2), torch.arange(3))
        >>> pairs.cond
        tensor([0, 1, 2])
    """

    def __call__(self, x0: State, x1: State, cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs."""
        check_rows(x0, x1, cond)
        leaf = leaves(x0)[0]
        return Pairs((take(x0, randperm(len(leaf), leaf, generator=generator)), x1), cond=cond)
