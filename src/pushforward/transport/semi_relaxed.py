"""Entropic transport with one marginal that is kept and one that gives way."""

import math

from jaxtyping import Float, Real

from pushforward.transport._doors import Array
from pushforward.transport.unbalanced import Unbalanced, unbalanced

__all__ = ["semi_relaxed"]


def semi_relaxed(
    cost: Real[Array, "n m"],
    epsilon: float,
    rho: float,
    *,
    a: Float[Array, " n"] | None = None,
    b: Float[Array, " m"] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 10_000,
) -> Unbalanced:
    r"""The plan whose columns are kept while its rows may weigh more or less than they did.

    .. math:: \min_{P \ge 0,\ P^\top 1 = b}\ \langle P, C\rangle + \rho\,\mathrm{KL}(P 1 \,\|\, a)
              + \varepsilon\,\mathrm{KL}(P \,\|\, a b^\top)

    The mass of row i becomes :math:`m_i = a_i e^{-f_i/\rho}`: between snapshots of a growing population, in units of
    :math:`a_i`, the number of descendants. rho = 0 lets every column choose for itself,
    :math:`P_{ij} \propto_i a_i e^{-C_{ij}/\varepsilon}`; rho = infinity is balanced and needs |a| = |b|. For kept rows
    transpose the cost. This is `unbalanced` with strengths (rho, infinity); for epsilon -> 0 and rho = 0 every column
    takes its nearest row.

    Source: Wang et al., Joint Velocity-Growth Flow Matching for Single-Cell Dynamics Modeling (2025),
        https://arxiv.org/abs/2505.13413, the plan.

    Args:
        cost: `[n, m]`, tensor or array, finite.
        epsilon: Strength of the entropy, > 0, in units of the cost.
        rho: Strength of the penalty on the rows, from 0 to infinity.
        a: Weights of the rows; 1 / n by default. Counts are as good as probabilities, on both sides.
        b: Weights of the columns, likewise 1 / m.
        tolerance: Of the L1 error of the marginals, over the plan's mass; the columns come out exact.
        max_iterations: Sweeps at most.

    Raises: `InvalidInput` as `unbalanced` does.

    Example:
        >>> semi_relaxed(torch.tensor([[0.2], [1.0]]), 0.1, 1.0).plan  # proportional to exp(-c / (rho + epsilon))
        tensor([[0.6742],
                [0.3258]])
    """
    return unbalanced(cost, epsilon, (rho, math.inf), a=a, b=b, tolerance=tolerance, max_iterations=max_iterations)
