"""Fidelity and variety by nearest neighbours."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.metrics._pairs import blocks
from pushforward.metrics._samples import Samples, as_vectors

__all__ = ["PrecisionRecallCoverage", "precision_recall_coverage"]


class PrecisionRecallCoverage(NamedTuple):
    """Shares in [0, 1]; `density` is 1 on average for equal laws and may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_coverage(real: Samples, fake: Samples, k: int = 5) -> PrecisionRecallCoverage:
    r"""Precision and recall, density and coverage, from balls that reach to the k-th nearest neighbour.

    With B_k(x) the closed ball around x that reaches to its k-th nearest neighbour in its own set (itself not counted):

    .. math::
        \mathrm{precision} &= \tfrac1M \textstyle\sum_j \mathbf 1[y_j \in \bigcup_i B_k(x_i)], &
        \mathrm{recall} &= \tfrac1N \textstyle\sum_i \mathbf 1[x_i \in \bigcup_j B_k(y_j)], \\
        \mathrm{density} &= \tfrac1{kM} \textstyle\sum_{ij} \mathbf 1[y_j \in B_k(x_i)], &
        \mathrm{coverage} &= \tfrac1N \textstyle\sum_i \mathbf 1[\exists j: y_j \in B_k(x_i)]

    where x are the N real and y the M fake samples. Precision and density say how many fakes look real, recall and
    coverage how much of the real data is reached; one outlier can inflate precision and recall, not the other two.

    Floor: for two sets of one continuous law, whatever it is, density is 1 on average and coverage
    :math:`1 - \prod_{j=1}^{k} \frac{N - j}{N + M - j}`, just below 1 - 2^{-k} at N = M (k = 5: .97). Precision and
    recall are nearly 1 in few dimensions and fall in many; measure them between two real sets.

    Source: precision and recall, Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative
        Models (2019), https://arxiv.org/abs/1904.06991 (k = 3 there); density and coverage, Naeem et al., Reliable
        Fidelity and Diversity Metrics for Generative Models (2020), https://arxiv.org/abs/2002.09797 (k = 5).

    Args:
        real: Samples `[N, *E]`, or features of them, N > k.
        fake: Samples `[M, *E]`, M > k.
        k: Which neighbour the balls reach to, >= 1.

    Raises: `InvalidInput` for sets that cannot be compared.

    Example:
        >>> real = torch.arange(10.0)[:, None]
        >>> precision_recall_coverage(real, real + 100.0, k=1)
        PrecisionRecallCoverage(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    """
    x, y = as_vectors((real, "real"), (fake, "fake"))
    x, y = x.detach(), y.detach()
    require(
        1 <= k < min(len(x), len(y)), f"k is {k}, expected 1 <= k < {min(len(x), len(y))}, the size of the smaller set"
    )
    reach_x, reach_y = _reach(x, k), _reach(y, k)
    covered = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    recalled = covered.clone()
    precise, hits = covered.sum(), covered.sum()
    for rows, r in blocks(y, x):
        inside = r <= reach_x
        precise, hits = precise + inside.any(1).sum(), hits + inside.sum()
        covered |= inside.any(0)
        recalled |= (r <= reach_y[rows, None]).any(0)
    n, m = len(x), len(y)
    return PrecisionRecallCoverage(
        int(precise) / m, int(recalled.sum()) / n, int(hits) / (k * m), int(covered.sum()) / n
    )


def _reach(x: Float[Tensor, "n d"], k: int) -> Float[Tensor, "n"]:
    """Distance to the k-th nearest other row; a row is its own nearest, hence k + 1."""
    return torch.cat([r.kthvalue(k + 1, dim=1).values for _, r in blocks(x, x)])
