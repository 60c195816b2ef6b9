"""Entropic optimal transport."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor

from pushforward.core import InvalidInput, require
from pushforward.transport._doors import Array, strength, tensor
from pushforward.transport._newton import newton
from pushforward.transport._optimum import Optimum, Value
from pushforward.transport._scaling import Dense, scale, weighing

__all__ = ["NEGATIVE", "Entropic", "entropic_ot", "sinkhorn", "weights_of"]

NEGATIVE = (
    "the mean cost is negative and is no unit for epsilon; count the cost from its least entry, or set relative=False"
)


class Entropic(NamedTuple):
    r"""An entropic plan `[*b, n, m]` and what proves it optimal.

    :math:`P_{ij} = a_i b_j e^{(f_i + g_j - C_{ij})/\varepsilon}` with `f` `[*b, n]`, `g` `[*b, m]` and `epsilon`
    `[*b]`; the constant that f and g may exchange is chosen so that :math:`a \cdot f = b \cdot g`. `value` `[*b]` is
    the minimum, from the dual: its error is of second order in that of the potentials.
    """

    plan: Tensor
    f: Tensor
    g: Tensor
    value: Tensor
    epsilon: Tensor


def entropic_ot(
    cost: Real[Array, "*b n m"],
    epsilon: float,
    a: Float[Array, "*b n"] | None = None,
    b: Float[Array, "*b m"] | None = None,
    *,
    relative: bool = False,
    tolerance: float = 1e-6,
    max_iterations: int | None = None,
) -> Entropic:
    r"""The plan between two weights that is optimal up to an entropic penalty, its potentials and its value.

    .. math:: \min_{P \ge 0,\ P 1 = a,\ P^\top 1 = b}\ \langle P, C\rangle + \varepsilon\,\mathrm{KL}(P \,\|\, a b^\top)
              = \max_{f, g}\ a \cdot f + b \cdot g - \varepsilon \sum_{ij} a_i b_j
              \big[e^{(f_i + g_j - C_{ij})/\varepsilon} - 1\big]

    1. Minima of rows and columns give potentials for which every row and every column of the exponential has a 1, and
       nothing more; from there :math:`u \leftarrow u\,(1 / (u \cdot Kbv))^{\omega}` and the same for v, by matrix
       products, large ones in float32 down to an error of 2e-5 and then in float64. Where the scalings have grown they
       move into the potentials and the kernel is made again, so that nothing underflows that matters. The
       over-relaxation omega of each problem is found on the way: from the ratio r of two errors, Young's relation
       :math:`(r + \omega - 1)^2 = r\,\omega^2 \rho` gives the rate rho of the plain iteration, and
       :math:`\omega = 2/(1 + \sqrt{1 - \rho})`. Where an error has grown tenfold omega returns to 1.
    2. Where the plan is nearly a permutation no scaling converges in useful time. What is still off goes to Newton's
       method on the dual in f alone, damped after Levenberg and Marquardt; a step costs a factorisation of `[n, n]`.

    Differentiable in cost and weights, without unrolling. The value by the envelope theorem (dC = P, da = f, db = g);
    plan and potentials by implicit differentiation of the marginal constraints, one linear system of the shorter side.
    Derivatives are taken once, and are as exact as the marginals: lower `tolerance` where they matter.

    Source: Cuturi, Sinkhorn Distances (2013), https://arxiv.org/abs/1306.0895; absorption: Schmitzer, Stabilized Sparse
        Scaling Algorithms (2019), https://arxiv.org/abs/1610.06519; over-relaxation: Thibault, Chizat, Dossal &
        Papadakis, Overrelaxed Sinkhorn-Knopp Algorithm (2021), https://arxiv.org/abs/1711.01851; second stage: Brauer,
        Clason, Lorenz & Wirth, A Sinkhorn-Newton method (2017), https://arxiv.org/abs/1710.06635; implicit
        differentiation: Eisenberger et al., A Unified Framework for Implicit Sinkhorn Differentiation (CVPR 2022),
        https://arxiv.org/abs/2205.06688, and Guerrero Pena et al., Re-basin via Implicit Sinkhorn Differentiation (CVPR
        2023), https://arxiv.org/abs/2212.12042. Differs: omega is estimated on the fly with the error as its safeguard;
        both marginals stop the iteration, not one; the adjoint system is in conditional plans, so that weights of 0
        are allowed.

    Args:
        cost: `[*b, n, m]`, tensor or array, finite; batches are solved together, each problem with an omega of its own.
        epsilon: Strength of the penalty, > 0; 0.05 of the mean cost blurs little, 0.005 is sharp.
        a: Weights of the rows `[*b, n]`, >= 0, of sum 1; None for uniform.
        b: Weights of the columns `[*b, m]`, likewise.
        relative: Whether epsilon counts in mean costs (of each problem, held constant) instead of units of the cost.
        tolerance: Largest L1 error of each of the two marginals, > 0.
        max_iterations: Pairs of scalings before the second stage; None for about what the second stage would cost.

    Returns: the optimum, on the cost's device and in its dtype, float32 at least.
    Raises: `InvalidInput` for a cost that is not finite, for bad weights, for an epsilon that is no positive
        number, and where the marginals
        stay off by more than the tolerance: a plan with other marginals is never returned.

    Example:
        >>> found = entropic_ot(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1.0)
        >>> found.plan  # off the diagonal: 1 / (2 + 2 e)
        tensor([[0.3655, 0.1345],
                [0.1345, 0.3655]])
        >>> found.value
        tensor(0.3799)
    """
    cost = tensor(cost, "the cost")
    require(
        cost.ndim >= 2 and cost.numel() > 0,
        f"sinkhorn needs rows and columns, got a cost of shape {list(cost.shape)}",
    )
    epsilon = strength(epsilon, cost)
    require(tolerance > 0, f"tolerance is {tolerance}, expected a positive number")
    weights_a, weights_b = weights_of(a, cost[..., 0], "a"), weights_of(b, cost[..., 0, :], "b")
    fixed = cost.detach()
    eps = torch.full(cost.shape[:-2], epsilon, dtype=torch.float64, device=cost.device)
    if relative:
        mean = fixed.mean((-2, -1), dtype=torch.float64)
        require(not bool((mean < 0).any()), NEGATIVE)
        eps = eps * torch.where(mean == 0, 1.0, mean)  # all costs 0: every epsilon gives the product
    with torch.no_grad():
        plan, f, g = _solve(
            fixed, weights_a.detach(), weights_b.detach(), eps, tolerance=tolerance, max_iterations=max_iterations
        )
        value = (weights_a * f).sum(-1) + (weights_b * g).sum(-1) - eps * (plan.sum((-2, -1)) - 1)
    if torch.is_grad_enabled() and (cost.requires_grad or weights_a.requires_grad or weights_b.requires_grad):
        parts = cost.double(), weights_a, weights_b
        value = Value.apply(*parts, plan, f, g, value)
        plan, f, g = Optimum.apply(*parts, eps, plan, f, g)
    half = ((weights_b * g).sum(-1, keepdim=True) - (weights_a * f).sum(-1, keepdim=True)) / 2
    dtype = torch.promote_types(cost.dtype, torch.float32)
    return Entropic(*(part.to(dtype) for part in (plan, f + half, g - half, value, eps)))


def sinkhorn(
    cost: Real[Array, "*b n m"],
    epsilon: float,
    a: Float[Array, "*b n"] | None = None,
    b: Float[Array, "*b m"] | None = None,
    *,
    tolerance: float = 1e-6,
    max_iterations: int | None = None,
) -> Float[Tensor, "*b n m"]:
    """The plan of `entropic_ot`, alone: of total mass 1, between uniform weights if none are given.

    Example:
        >>> sinkhorn(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1.0)
        tensor([[0.3655, 0.1345],
                [0.1345, 0.3655]])
    """
    return entropic_ot(cost, epsilon, a, b, tolerance=tolerance, max_iterations=max_iterations).plan


def weights_of(given: Array | None, like: Tensor, name: str) -> Tensor:
    """In float64, of sum 1 to the last digit."""
    if given is None:
        return torch.full_like(like, 1 / like.shape[-1], dtype=torch.float64, requires_grad=False)
    given = tensor(given, f"the weights {name}")
    require(
        given.shape == like.shape, f"the weights {name} have shape {list(given.shape)}, expected {list(like.shape)}"
    )
    weights = given.to(like.device, torch.float64)
    total = weights.sum(-1, keepdim=True)
    good = (weights.detach() >= 0).all() & ((total.detach() - 1).abs() < 1e-4).all()
    require(
        bool(good), f"the weights {name} are negative, not finite, or of another sum than 1; divide them by their sum"
    )
    return weights / total


def _solve(
    cost: Tensor, a: Tensor, b: Tensor, epsilon: Tensor, *, tolerance: float, max_iterations: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Plan and potentials in float64, the potentials in units of the cost."""
    rows, columns = weighing(a), weighing(b)
    if rows is not None or columns is not None:
        require(bool(torch.isfinite(cost).all()), "the cost is not finite; look for NaN or infinity in the states")
        inner = cost if rows is None else torch.take_along_dim(cost, rows[..., None], -2)
        inner = inner if columns is None else torch.take_along_dim(inner, columns[..., None, :], -1)
        plan, f, g = _solve_weighing(inner, a, b, epsilon, tolerance=tolerance, max_iterations=max_iterations)
        return plan, *extended(cost, a, b, epsilon, f=f, g=g)
    return _solve_weighing(cost, a, b, epsilon, tolerance=tolerance, max_iterations=max_iterations)


def extended(cost: Tensor, a: Tensor, b: Tensor, epsilon: Tensor, *, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Potentials, those of rows and columns without weight being the soft minimum of what the others leave."""
    eps = epsilon[..., None]
    rows = (b.log()[..., None, :] + (g[..., None, :] - cost) / eps[..., None]).logsumexp(-1)
    columns = (a.log()[..., None] + (f[..., None] - cost) / eps[..., None]).logsumexp(-2)
    return torch.where(a > 0, f, -eps * rows), torch.where(b > 0, g, -eps * columns)


def _solve_weighing(
    cost: Tensor, a: Tensor, b: Tensor, epsilon: Tensor, *, tolerance: float, max_iterations: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    source = Dense(cost, epsilon)
    require(
        bool(torch.isfinite(source.rows.sum() + source.energy.sum())),
        "the cost over epsilon is not finite; look for NaN or infinity in the states, or raise epsilon",
    )
    budget = max(500, 4 * min(cost.shape[-2:])) if max_iterations is None else max_iterations
    found = scale(source, a, b, tolerance=tolerance, max_iterations=budget)
    plan = source.double.mul_((a * found.u)[..., None]).mul_((b * found.v)[..., None, :])
    f, g = found.f, found.g
    for at in (~(found.error <= tolerance)).nonzero().tolist():
        k = tuple(at)
        best = newton(source.energy[k], a[k], b[k], f[k], tolerance)
        if best is None:
            raise InvalidInput(
                f"the plan's marginals do not come within {tolerance:.1e} for epsilon={float(epsilon[k]):.3g} and a "
                f"mean cost of {float(cost[k].mean()):.3g}; raise epsilon or tolerance, or solve without entropy "
                "(assignment)"
            )
        f[k], g[k] = best
        plan[k] = (source.energy[k] + best[0][:, None] + best[1]).exp_() * a[k][:, None] * b[k]
    return plan, (f - source.rows) * epsilon[..., None], (g - source.columns) * epsilon[..., None]
