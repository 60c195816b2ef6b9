"""The debiased entropic distance between point clouds."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.transport._doors import Array, number, tensor
from pushforward.transport._optimum import Value
from pushforward.transport._scaling import Dense, scale_symmetric, weighing
from pushforward.transport.cost import squared_euclidean
from pushforward.transport.point_entropic_ot import PointsValue, mean_square
from pushforward.transport.sinkhorn import entropic_ot, extended, weights_of

__all__ = ["sinkhorn_divergence"]

_PAIRS = 1 << 23  # pairs above which squared distances are made block by block: 170 MB are held for as many
_ITERATIONS = 5000  # for those, which have no second stage
_OWN = 200  # iterations of a cloud to itself; 20 to 40 are usual


def sinkhorn_divergence(
    x: Float[Array, "n *e"],
    y: Float[Array, "m *e"],
    epsilon: float,
    a: Float[Array, " n"] | None = None,
    b: Float[Array, " m"] | None = None,
    *,
    relative: bool = False,
    cost: Callable[[Tensor, Tensor], Tensor] = squared_euclidean,
    tolerance: float = 1e-6,
) -> Float[Tensor, ""]:
    r"""Entropic transport without its bias: a divergence between weighted clouds, 0 only where they are equal.

    .. math:: S_\varepsilon(a, b) = \mathrm{OT}_\varepsilon(a, b) - \tfrac12 \mathrm{OT}_\varepsilon(a, a)
              - \tfrac12 \mathrm{OT}_\varepsilon(b, b)

    Between the optimal cost (epsilon -> 0) and, for squared distances, the squared distance of the means (epsilon ->
    infinity). The plain value is least for a shrunken cloud, not for the target; this one is for fitting. Equal clouds
    give 0 to the last bit; never negative otherwise where exp(-cost / epsilon) is a positive definite kernel.

    Differentiable in points and weights by the envelope theorem: a step of fitting costs three solves and no unrolling.
    Computed in float64. Squared distances of more than 8 million pairs are never held in memory: kernels are made
    block by block in every iteration, O(n + m) memory for two to ten times the time.

    Source: Genevay, Peyre & Cuturi, Learning Generative Models with Sinkhorn Divergences (AISTATS 2018),
        https://arxiv.org/abs/1706.00292; Feydy et al., Interpolating between Optimal Transport and MMD using Sinkhorn
        Divergences (AISTATS 2019), https://arxiv.org/abs/1810.08278, with the symmetric iteration for a cloud to
        itself. Differs: each term is solved until both marginals are within the tolerance, where geomloss anneals for
        a given number of steps.

    Args:
        x: Points `[n, *E]`, tensor or array.
        y: Points `[m, *E]`, likewise.
        epsilon: Strength of the penalty, > 0, in units of the cost.
        a: Weights of `x` `[n]`, >= 0, of sum 1; None for uniform.
        b: Weights of `y` `[m]`, likewise.
        relative: Whether epsilon counts in mean costs between x and y (held constant); all three terms share it.
        cost: `(x [n, *E], y [m, *E]) -> [n, m]`, symmetric, differentiable where the result is to be.
        tolerance: Largest L1 error of the marginals; the value's error is of second order in it.

    Raises: `InvalidInput` as `entropic_ot` does.

    Example:
        >>> x = torch.randn(50, 2)
        >>> float(sinkhorn_divergence(x, x, 0.1))
        0.0
        >>> round(float(sinkhorn_divergence(x, x + torch.tensor([3.0, 4.0]), 0.1)), 3)
        25.0
    """
    x, y, epsilon = tensor(x, "x"), tensor(y, "y"), number(epsilon, "epsilon")
    wide_x, wide_y = x.double(), y.double()
    blocks = cost is squared_euclidean and max(len(x), len(y)) ** 2 > _PAIRS
    if relative:
        with torch.no_grad():
            mean = float(mean_square(wide_x, wide_y) if blocks else cost(wide_x, wide_y).mean())
        epsilon *= mean or 1.0

    require(epsilon > 0, f"epsilon is {epsilon}, expected a positive number in units of the cost")
    weights = [
        weights_of(given, z.detach().reshape(len(z), -1)[:, 0], name)
        for given, z, name in ((a, wide_x, "a"), (b, wide_y, "b"))
    ]
    # equal clouds go the way of a cloud to itself, so that their divergence is 0 to the last bit
    same = torch.equal(wide_x, wide_y) and torch.equal(*weights)

    def value(p: Tensor, q: Tensor, left: Tensor, right: Tensor, *, own: bool) -> Tensor:
        if blocks:
            flat = p.reshape(len(p), -1), q.reshape(len(q), -1)
            return PointsValue.apply(*flat, left, right, epsilon, tolerance, _ITERATIONS, own)[0]
        matrix = cost(p, q)
        found = _own_value(matrix, left, right, epsilon, tolerance) if own else None
        return entropic_ot(matrix, epsilon, left, right, tolerance=tolerance).value if found is None else found

    u, v = weights
    own = value(wide_x, wide_x, u, u, own=True) + value(wide_y, wide_y, v, v, own=True)
    divergence = value(wide_x, wide_y, u, v, own=same) - own / 2
    return divergence.to(torch.promote_types(x.dtype, y.dtype))


def _own_value(cost: Tensor, a: Tensor, b: Tensor, epsilon: float, tolerance: float) -> Tensor | None:
    """OT_eps of weights to themselves; None where the kernel is not positive definite, and the iteration fails."""
    with torch.no_grad():
        fixed, eps, kept = cost.detach(), torch.tensor(epsilon, dtype=torch.float64, device=cost.device), weighing(a)
        source = Dense(fixed if kept is None else fixed[kept][:, kept], eps)
        found = scale_symmetric(source, a.detach(), tolerance=tolerance, max_iterations=_OWN)
        if not bool(found.error <= tolerance):
            return None
        plan = source.double.mul_((a * found.u)[:, None]).mul_(b * found.v)
        f, g = (found.f - source.rows) * epsilon, (found.g - source.columns) * epsilon
        if kept is not None:
            f, g = extended(fixed, a, b, eps, f=f, g=g)
        value = a @ f + b @ g - epsilon * (plan.sum() - 1)
    return Value.apply(cost, a, b, plan, f, g, value)
