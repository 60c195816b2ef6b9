"""Couplings of more than two marginals."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pushforward.core import Cond, Coupling, Gen, Incompatible, Pairs, State, leaves, require, require_part
from pushforward.couplings._batch import check_rows
from pushforward.couplings.independent import Independent

__all__ = ["Chain"]


@dataclass(frozen=True)
class Chain:
    r"""K marginals coupled link by link.

    .. math:: \pi(x_0, \dots, x_{K-1}) = p(x_{K-1}) \prod_{k=K-1}^{1} \pi_k(x_{k-1} \,|\, x_k)

    From the last marginal, whose rows and conditions stay in place, back to the first: each link pairs the rows of one
    marginal with those of the next as they stand already. Consecutive marginals are coupled as the link says, and
    others through what lies between. With `Independent` all K are independent, with `Paired` rows stay as given, with
    `ExactOT` consecutive snapshots are matched.

    Source: for snapshots Lee, Moradijamei & Shakeri, Multi-Marginal Stochastic Flow Matching (2025),
        https://arxiv.org/abs/2508.04351; on the simplex Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal
        Generative Modeling with Stochastic Interpolants (ICLR 2024), https://arxiv.org/abs/2310.03695.

    Args:
        link: Any coupling that leaves x1 in place and counts every row once.
        times: When each marginal is seen, from 0 to 1; None is at equal intervals. On the simplex times mean nothing.

    Shapes: K marginals `[B, *E]`, tensors or mappings, and `cond` `[B, ...]`.
    Raises: `Incompatible` for a link that weighs or moves its x1 rows; `InvalidInput` for fewer than two marginals,
        another number than that of `times`, or different numbers of rows.

    Example:
        >>> a, b, c = torch.tensor([[0.0], [5.0]]), torch.tensor([[6.0], [1.0]]), torch.tensor([[2.0], [7.0]])
        >>> torch.cat(Chain(pf.couplings.ExactOT())([a, b, c]).anchors, 1)
        tensor([[0., 1., 2.],
                [5., 6., 7.]])
    """

    link: Coupling = field(default_factory=Independent)
    times: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        require_part("Chain.link", self.link, Coupling, "a coupling such as ExactOT()")

    def __call__(self, marginals: Sequence[State], cond: Cond = None, *, generator: Gen = None) -> Pairs:
        """Pairs with K anchors."""
        size = len(marginals)
        require(size >= 2, f"Chain got {size} marginals, expected at least 2")
        times = self.times or tuple(k / (size - 1) for k in range(size))
        require(
            len(times) == size, f"Chain got {size} marginals, but they are seen at {len(times)} times; give as many"
        )
        anchors = [marginals[-1]]
        for x in reversed(marginals[:-1]):
            check_rows(x, anchors[0], cond)
            pairs = self.link(x, anchors[0], cond, generator=generator)
            require(
                pairs.weight is None and _same(pairs.x1, anchors[0]),
                f"{type(self.link).__name__} weighs the rows of x1 or does not leave them in place, which would break "
                "the links already made; choose a coupling such as ExactOT() or EntropicOT()",
                Incompatible,
            )
            anchors.insert(0, pairs.x0)
        return Pairs(tuple(anchors), times, cond)


def _same(x: State, y: State) -> bool:
    return x is y or all(torch.equal(p, q) for p, q in zip(leaves(x), leaves(y), strict=True))
