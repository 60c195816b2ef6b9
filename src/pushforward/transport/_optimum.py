"""Derivatives at the entropic optimum: the envelope for its value, implicit differentiation for the rest."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Optimum", "Value"]


class Value(torch.autograd.Function):
    """OT_eps as a function of cost and weights; its derivatives are the plan and the potentials."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, a: Tensor, b: Tensor, *found: Tensor) -> Any:
        """The value that was found."""
        plan, f, g, value = found
        ctx.save_for_backward(plan, f, g)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """dC = P, da = f, db = g."""
        plan, f, g = ctx.saved_tensors
        row = slopes[0][..., None]
        return row[..., None] * plan, row * f, row * g, None, None, None, None


class Optimum(torch.autograd.Function):
    r"""Plan and potentials as functions of cost and weights.

    The density :math:`D = e^{(f + g - C)/\varepsilon}` obeys :math:`D b = 1` and :math:`D^\top a = 1`. Derived from
    these: with :math:`R = b D` by rows and :math:`Q = a D` by columns (conditional plans, whose sums are 1),

    .. math:: df + R\,dg = R \cdot dC - \varepsilon D\,db, \qquad
              dg + Q^\top df = Q^\top \cdot dC - \varepsilon D^\top da,

    so that cotangents (p, q) of (f, g) need the solution of :math:`(1 - R^\top Q)\, y = q - R^\top p`,
    :math:`x = p - Q y`, and come back as :math:`R x + Q y` (by entries) for C. The solution is free up to a multiple
    of b, the constant that f and g may exchange; no plan sees it.
    """

    @staticmethod
    def forward(ctx: Any, cost: Tensor, a: Tensor, b: Tensor, *found: Tensor) -> Any:
        """What was found."""
        epsilon, plan, f, g = found
        ctx.save_for_backward(cost, a, b, epsilon, plan, f, g)
        return plan.clone(), f.clone(), g.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One linear system of the size of the shorter side."""
        cost, a, b, epsilon, plan, f, g = ctx.saved_tensors
        d_plan, d_f, d_g = slopes
        eps = epsilon[..., None]
        density = ((f[..., None] + g[..., None, :] - cost) / eps[..., None]).exp_()
        density.masked_fill_(density.isinf(), 0.0)  # only where neither row nor column weighs anything
        explicit = d_plan * plan / eps[..., None]
        p, q = d_f + explicit.sum(-1), d_g + explicit.sum(-2)
        if a.shape[-1] < b.shape[-1]:
            y, x = _adjoint(density.mT, b, a, q, p)
        else:
            x, y = _adjoint(density, a, b, p, q)
        by_rows, by_columns = _conditionals(density, a, b)
        d_cost = by_rows * x[..., None] + by_columns * y[..., None, :] - explicit
        d_a = (d_plan * density * b[..., None, :]).sum(-1) - eps * (density @ y[..., None])[..., 0]
        d_b = (d_plan * density * a[..., None]).sum(-2) - eps * (density.mT @ x[..., None])[..., 0]
        return d_cost, d_a, d_b, None, None, None, None


def _conditionals(density: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """R and Q, normalised, because marginals are met to a tolerance only."""
    by_rows, by_columns = density * b[..., None, :], density * a[..., None]
    return by_rows / by_rows.sum(-1, keepdim=True), by_columns / by_columns.sum(-2, keepdim=True)


def _adjoint(density: Tensor, a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    by_rows, by_columns = _conditionals(density, a, b)
    right = q - (by_rows.mT @ p[..., None])[..., 0]
    matrix = torch.diag_embed(torch.ones_like(b)) - by_rows.mT @ by_columns
    matrix += b[..., None]  # b 1': fixes the constant, for b is the right and 1 the left null vector
    y, failed = torch.linalg.solve_ex(matrix, right)
    if bool(((failed > 0) | ~torch.isfinite(y).all(-1)).any()):
        # next to a permutation rows and columns fall apart into pairs, each with a constant of its own
        y = (torch.linalg.pinv(matrix, rtol=1e-13) @ right[..., None])[..., 0]
    return p - (by_columns @ y[..., None])[..., 0], y
