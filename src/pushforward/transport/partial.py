"""Transport of a part of the mass, which leaves out what has no good partner."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor

from pushforward.core import RunFailed, require
from pushforward.transport._doors import Array, cost_matrix, masses, number
from pushforward.transport.assignment import auction

__all__ = ["Partial", "PartialAssignment", "partial", "partial_assignment"]

_ROUNDING = 1e-12  # of the mass: what counts as none


class Partial(NamedTuple):
    r"""A plan of the wanted mass and what proves it good.

    :math:`f_i, g_j \le 0` and :math:`f_i + g_j + \lambda \le C_{ij}` hold for every pair, so that no plan of mass s
    costs less than :math:`a \cdot f + b \cdot g + \lambda s`; `value` is what `plan` costs, `gap` how far that is
    above the bound. `level` (:math:`\lambda`) is the slope of the cost in s: the price at which a pair is just worth
    its while.
    """

    plan: Float[Tensor, "n m"]
    f: Float[Tensor, " n"]
    g: Float[Tensor, " m"]
    level: float
    value: Float[Tensor, ""]
    gap: float


class PartialAssignment(NamedTuple):
    r"""The column of every row, -1 for rows without one, and what proves it good.

    `f`, `g`, `level` as in `Partial`, every row and column with weight 1: no k pairs cost less in total than
    :math:`\sum_i f_i + \sum_j g_j + k\lambda`. `gap` is how far the chosen ones are above that, divided by k.
    """

    column: Int64[Tensor, " n"]
    f: Float[Tensor, " n"]
    g: Float[Tensor, " m"]
    level: float
    gap: float


@torch.no_grad()
def partial(
    cost: Real[Array, "n m"],
    mass: float,
    *,
    a: Float[Array, " n"] | None = None,
    b: Float[Array, " m"] | None = None,
) -> Partial:
    r"""Exact transport of the mass s at least cost; the rest stays where it is.

    .. math:: \min_{P \ge 0} \langle P, C\rangle, \quad P 1 \le a,\ P^\top 1 \le b,\ 1^\top P\, 1 = s

    One row more, of mass |b| - s, and one column more, of mass |a| - s, take up what is left out, at no cost; the
    network simplex solves the balanced problem. The cost is counted from its least entry, which every plan of mass s
    pays anyway; then mass on the added corner could always be dropped together with as much real mass, and any positive
    cost there keeps it empty (the source asks for more than twice the largest entry).

    The least cost is convex and non-decreasing in s (for costs that are not negative), with slope `level`; s -> 0 takes
    the cheapest pair, s = |a| = |b| is balanced transport.

    Solved in float64 on the CPU; a cost on another device is moved. For k pairs of equal weight `partial_assignment` is
    faster.

    Source: Chapel, Alaya & Gasso, Partial Optimal Transport with Applications on Positive-Unlabeled Learning (NeurIPS
        2020), https://arxiv.org/abs/2002.08276, the extension; the simplex is POT's, with its limit raised.

    Args:
        cost: `[n, m]`, tensor or array, finite.
        mass: s, in `(0, min(|a|, |b|)]`.
        a: Weights of the rows, not negative; 1 / n by default.
        b: Weights of the columns, likewise 1 / m.

    Raises: `InvalidInput` for a cost or weights that are not finite, negative weights, and a mass out of range.

    Example:
        >>> partial(torch.tensor([[0.0, 10.0], [10.0, 4.0]]), 0.5).plan
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    import ot

    cost, mass = cost_matrix(cost, "partial"), number(mass, "mass")
    n, m = cost.shape
    a, b = masses(a, n, "a").cpu(), masses(b, m, "b").cpu()
    most = min(a.sum().item(), b.sum().item())
    require(
        0 < mass <= most * (1 + _ROUNDING),
        f"mass is {mass}, expected more than 0 and at most the smaller of the two sides' masses, {most:.6g}",
    )
    mass = min(mass, most)
    matrix, least, scale = _prepare(cost)
    # The simplex wants equal sums to the last digits; leftovers below rounding would make its basis degenerate.
    left = [w.sum().item() - mass for w in (b, a)]
    extra = [0.0 if x < _ROUNDING * mass else x for x in left]
    extended = matrix.new_zeros(n + 1, m + 1)
    extended[:n, :m] = matrix
    extended[n, m] = 1.0 + matrix.max()
    rows, columns = torch.cat([a, a.new_tensor([extra[0]])]), torch.cat([b, b.new_tensor([extra[1]])])
    columns = columns * (rows.sum() / columns.sum())
    plan, log = ot.emd(rows.numpy(), columns.numpy(), extended.numpy(), numItermax=10**9, log=True, center_dual=False)
    if log["warning"] is not None:
        raise RunFailed(f"partial transport between {n} and {m} points did not finish: {log['warning']}")
    plan = torch.from_numpy(plan)[:n, :m]
    prices = -torch.from_numpy(log["v"])
    f, g, level = _potentials(matrix, prices[:m], prices[m].item() if extra[1] else math.inf)
    bound = (a @ f + b @ g).item() + level * mass
    paid = (plan * matrix).sum()
    gap = scale * max(paid.item() - bound, 0.0)
    value = scale * paid + least * plan.sum()
    dtype = torch.promote_types(cost.dtype, torch.float32)
    plan, f, g, value = (x.to(cost.device, dtype) for x in (plan, scale * f, scale * g, value))
    return Partial(plan, f, g, scale * level + least, value, gap)


@torch.no_grad()
def partial_assignment(cost: Real[Array, "n m"], pairs: int, *, tolerance: float = 1e-4) -> PartialAssignment:
    r"""The k pairs, no row or column twice, that cost least together.

    .. math:: \min_{\sigma : I \to J\ \text{one to one},\ |I| = k}\ \sum_{i \in I} C_{i \sigma(i)}

    With m - k rows and n - k columns added, which take up for nothing what is left out, this is a square assignment
    problem of size n + m - k, for `auction`. Between uniform weights 1 / n on both sides it is `partial` of mass k / n:
    that problem has vertices without fractions whenever n times the mass is a whole number.

    On 512 and 512 points in the plane it took a tenth of the simplex's time for k between 307 and 461, on 256 a quarter
    to a sixth, at a relative excess below 2e-7 (one run, one thread).

    Source: as for `partial`. Differs: one added point for every unit that is left out, for unit weights throughout.

    Args:
        cost: `[n, m]`, tensor or array, finite.
        pairs: k, in `[1, min(n, m)]`.
        tolerance: Relative duality gap of the extended problem, see `auction`; `gap` says what was reached.

    Raises: `InvalidInput` for a cost that is not finite and for a number of pairs out of range.

    Example:
        >>> partial_assignment(torch.tensor([[0.0, 10.0], [10.0, 4.0]]), 1).column
        tensor([ 0, -1])
    """
    cost = cost_matrix(cost, "partial_assignment")
    n, m = cost.shape
    require(1 <= pairs <= min(n, m), f"pairs is {pairs}, expected between 1 and {min(n, m)} for a cost of {[n, m]}")
    matrix, least, scale = _prepare(cost)
    size = n + m - pairs
    extended = matrix.new_zeros(size, size, dtype=torch.promote_types(cost.dtype, torch.float32))
    extended[:n, :m] = matrix
    extended[n:, m:] = 1.0
    found = auction(extended, tolerance=tolerance)
    column = found.permutation[:n].clone()
    column[column >= m] = -1
    chosen = (column >= 0).nonzero()[:, 0]
    if len(chosen) > pairs:  # within the tolerance added rows may keep added columns: the dearest pairs are too many
        values = matrix[chosen, column[chosen]]
        column[chosen[values.argsort(descending=True)[: len(chosen) - pairs]]] = -1
        chosen = (column >= 0).nonzero()[:, 0]
    prices = found.prices.double().cpu()
    f, g, level = _potentials(matrix, prices[:m], prices[m:].min().item() if n > pairs else math.inf)
    value = matrix[chosen, column[chosen]].sum().item()
    gap = scale * max(value - (f.sum() + g.sum()).item() - pairs * level, 0.0) / pairs
    dtype = torch.promote_types(cost.dtype, torch.float32)
    f, g = ((scale * x).to(cost.device, dtype) for x in (f, g))
    return PartialAssignment(column.to(cost.device), f, g, scale * level + least, gap)


def _prepare(cost: Tensor) -> tuple[Tensor, float, float]:
    """The cost on the CPU, from its least entry and in units of its mean; then what was taken off, and the unit."""
    matrix = cost.detach().cpu().double()
    least = matrix.min().item()
    matrix = matrix - least
    scale = matrix.mean().item()
    require(math.isfinite(scale), "the cost has entries that are not finite; look for NaN or infinity in the states")
    scale = scale or 1.0
    return matrix / scale, least, scale


def _potentials(cost: Tensor, prices: Tensor, spare: float) -> tuple[Tensor, Tensor, float]:
    """f, g and the level, all feasible, out of the prices of the columns and of an added one (infinite: there is none).

    f_i + g_j + level = u_i - p_j with u_i = min_j (C_ij + p_j) at most; both potentials end at 0 by construction.
    """
    u = (cost + prices).min(1).values
    top, bottom = min(spare, u.max().item()), prices.min().item()
    return u.clamp_max(top) - top, bottom - prices, top - bottom
