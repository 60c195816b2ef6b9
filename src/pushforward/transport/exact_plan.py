"""Optimal transport between any weights: the linear program, solved to the end."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Real
from torch import Tensor

from pushforward.core import InvalidInput, RunFailed, require
from pushforward.transport._doors import Array, cost_matrix, masses

__all__ = ["ExactPlan", "exact_plan"]


class ExactPlan(NamedTuple):
    """A plan and what proves it optimal.

    `value` is what the plan costs, `(plan * cost).sum()`. `f` and `g` are potentials with f_i + g_j <= cost_ij wherever
    both weights are positive, and `gap = value - f @ a - g @ b`; as no plan costs less than f @ a + g @ b, it bounds
    what the plan costs above the optimum.
    """

    plan: Float[Tensor, "n m"]
    f: Float[Tensor, " n"]
    g: Float[Tensor, " m"]
    value: Float[Tensor, ""]
    gap: float


@torch.no_grad()
def exact_plan(
    cost: Real[Array, "n m"], a: Float[Array, " _"] | None = None, b: Float[Array, " _"] | None = None
) -> ExactPlan:
    r"""Least-cost plan between two weightings, with its dual certificate.

    .. math:: \min_{P \ge 0,\ P 1 = a,\ P^\top 1 = b} \langle P, C\rangle \;=\;
              \max_{f_i + g_j \le C_{ij}} f \cdot a + g \cdot b

    A vertex: at most n + m - 1 entries are positive. The network simplex in float64, without a limit to its iterations
    (POT's own, 10^5, stops early from about 2000 points on, and then only warns). The potentials are made feasible
    after the fact, :math:`f_i = \min_j C_{ij} - g_j`, so the gap says how good the plan is whatever the solver did.
    For as many rows as columns of one weight `auction` is several times faster.

    The cost is differentiable by the envelope theorem, with the plan held fixed: `(found.plan * cost).sum()` has the
    gradient P in the cost, while `value` is a constant; in the weights it is f and g, up to a common constant.

    Three ways from a plan to pairs of B rows:
        joint: `torch.multinomial(plan.flatten(), B, replacement=True)`, divided by m into i and j. Both marginals hold
        in the mean only: about 1/e of the rows go missing in a draw.
        row: `torch.multinomial(plan, 1)` gives every row one partner and uses each exactly once; the columns' marginal
        holds in the mean.
        weighted: all `plan.nonzero()`, with their entries as weights of the loss; nothing is drawn.

    Source: Bonneel et al., Displacement Interpolation Using Lagrangian Mass Transport (2011),
        https://doi.org/10.1145/2070781.2024192, as shipped by POT, https://pythonot.github.io.

    Args:
        cost: `[n, m]`, tensor or array, finite; add a large finite number where a pair is forbidden.
        a: `[n]` weights of the rows, >= 0; uniform if left out.
        b: `[m]` weights of the columns, >= 0 and of the same total.

    Returns: all on the cost's device and in its dtype, float32 at least; `plan` of the total mass of `a`.
    Raises: `InvalidInput` for a cost that is not finite and for weights that are negative, all zero or of different
        totals (by more than 1e-6 of them; below that b is rescaled); `RunFailed` if the solver does not finish or its
        gap exceeds 1e-9 of the mean cost.

    Example:
        >>> found = exact_plan(torch.tensor([[0.0, 4.0], [1.0, 1.0], [4.0, 0.0]]))
        >>> found.plan * 6
        tensor([[2., 0.],
                [1., 1.],
                [0., 2.]])
    """
    cost = cost_matrix(cost, "exact_plan")
    n, m = cost.shape
    matrix = cost.double().cpu().contiguous().numpy()
    require(bool(np.isfinite(matrix).all()), "the cost has entries that are not finite; look for NaN or infinity")
    rows, columns, total = _weights(a, b, n, m)
    # The simplex compares costs with an absolute tolerance; so they are shifted and scaled to [0, 1] about their mean.
    low = matrix.min()
    scale = matrix.mean() - low
    if scale <= 1e-15 * np.abs(matrix).max():  # all pairs cost the same
        scale = 1.0
    plan, g = _simplex((matrix - low) / scale, rows, columns)
    plan, g = plan * total, g * scale + low
    f = np.where(rows > 0, (matrix - g)[:, columns > 0].min(1), 0.0)
    g = np.where(columns > 0, g, 0.0)
    value = (plan * matrix).sum()
    gap = float(value - total * (f @ rows + g @ columns))
    allowed = total * (1e-9 * scale + 1e-14 * np.abs(matrix).max())
    if not gap <= allowed:
        raise RunFailed(f"optimal transport of {n} rows to {m} ended {gap:.2e} above its bound")
    dtype = torch.promote_types(cost.dtype, torch.float32)
    plan, f, g, value = (torch.as_tensor(z).to(cost.device, dtype) for z in (plan, f, g, value))
    return ExactPlan(plan, f, g, value, max(gap, 0.0))


def _weights(a: Array | None, b: Array | None, n: int, m: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights of total 1, and the total they had."""
    found, totals = [], []
    for name, given, size in (("a", a, n), ("b", b, m)):
        weights = masses(given, size, name).cpu().numpy()
        total = float(weights.sum())
        found.append(weights / total)
        totals.append(None if given is None else total)
    first, second = (1.0 if t is None else t for t in totals)
    if None not in totals and abs(first - second) > 1e-6 * first:
        raise InvalidInput(
            f"a weighs {first:.8g} and b {second:.8g}; give both the same total, or leave mass behind (partial)"
        )
    total = first if totals[0] is not None else second
    return found[0], found[1], total


def _simplex(cost: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plan, and potentials of the columns."""
    import ot

    plan, log = ot.emd(rows, columns, cost, numItermax=10**12, log=True, center_dual=False, check_marginals=False)
    if log["warning"] is not None:
        raise RunFailed(
            f"optimal transport between {len(rows)} and {len(columns)} rows did not finish: {log['warning']}"
        )
    return plan, np.asarray(log["v"])
