"""Plans put right: a few changes, and the marginals are what they should be."""

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require
from pushforward.transport._doors import Array, tensor

__all__ = ["rounded"]


def rounded(
    plan: Float[Array, "*b n m"], a: Float[Array, "*b n"] | None = None, b: Float[Array, "*b m"] | None = None
) -> Float[Tensor, "*b n m"]:
    r"""A plan with the marginals `a` and `b`, close to one that has them nearly.

    .. math:: P' = \mathrm{diag}(\min(1, a / P 1))\, P, \qquad P'' = P'\, \mathrm{diag}(\min(1, b / P'^\top 1)), \qquad
              P'' + \frac{e_a e_b^\top}{|e_a|_1}, \quad e_a = a - P'' 1,\ e_b = b - P''^\top 1

    Moves :math:`2\,(|P 1 - a|_1 + |P^\top 1 - b|_1)` in L1 at most, hence what `sinkhorn` leaves off costs no more than
    that times the largest cost. What it returns is feasible for the linear program: its cost is above the optimum, and
    potentials say how far. Differentiable in all three.

    Source: Altschuler, Weed & Rigollet, Near-linear time approximation algorithms for optimal transport via Sinkhorn
        iteration (NeurIPS 2017), https://arxiv.org/abs/1705.09634, algorithm 2.

    Args:
        plan: `[*b, n, m]`, tensor or array, not negative, of any mass.
        a: Marginals of the rows `[*b, n]`, >= 0; 1 / n by default.
        b: Marginals of the columns `[*b, m]`, >= 0 and of the same total; likewise 1 / m.

    Returns: `[*b, n, m]` in the dtype of `plan`, computed in float64.
    Raises: `InvalidInput` for what is negative or not finite, and for marginals of other shapes or of different totals
        (by more than 1e-6 of them; below that b is rescaled).

    Example:
        >>> rounded(torch.tensor([[0.5, 0.0], [0.2, 0.2]]))
        tensor([[0.3571, 0.1429],
                [0.1429, 0.3571]])
    """
    plan = tensor(plan, "the plan")
    require(plan.ndim >= 2 and plan.numel() > 0, f"rounded needs rows and columns, got shape {list(plan.shape)}")
    work = plan.double()
    a, b = _marginals(a, work[..., 0], "a"), _marginals(b, work[..., 0, :], "b")
    require(
        bool((torch.isfinite(work) & (work >= 0)).all()),
        "the plan has entries that are negative or not finite",
    )
    totals = a.sum(-1, keepdim=True), b.sum(-1, keepdim=True)
    require(
        bool(((totals[0] - totals[1]).abs() <= 1e-6 * totals[0]).all()),
        "a and b have different totals, which no plan joins; divide each by its sum",
    )
    b = b * torch.where(totals[1] > 0, totals[0] / totals[1], 1.0)
    work = work * _shrink(a, work.sum(-1))[..., None]
    work = work * _shrink(b, work.sum(-2))[..., None, :]
    rows, columns = (a - work.sum(-1)).clamp_min(0), (b - work.sum(-2)).clamp_min(0)
    missing = rows.sum(-1, keepdim=True)
    share = rows / torch.where(missing > 0, missing, 1.0)
    return (work + share[..., None] * columns[..., None, :]).to(plan.dtype)


def _marginals(given: Array | None, like: Tensor, name: str) -> Tensor:
    if given is None:
        return torch.full_like(like, 1 / like.shape[-1], requires_grad=False)
    given = tensor(given, name)
    require(given.shape == like.shape, f"{name} has shape {list(given.shape)}, expected {list(like.shape)}")
    marginals = given.to(like)
    good = bool((torch.isfinite(marginals) & (marginals >= 0)).all())
    require(good, f"{name} has weights that are negative or not finite; give masses")
    return marginals


def _shrink(wanted: Tensor, found: Tensor) -> Tensor:
    """What takes `found` down to `wanted` where it is above."""
    above = found > wanted
    return torch.where(above, wanted / torch.where(above, found, 1.0), 1.0)
