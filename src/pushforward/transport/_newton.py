"""The second stage of `entropic_ot`: a damped Newton method, for plans that are nearly permutations."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["newton"]

_STEPS = 100  # at most; 10 to 20 are usual


def newton(
    energy: Float[Tensor, "n m"],
    a: Float[Tensor, " n"],
    b: Float[Tensor, " m"],
    f: Float[Tensor, " n"],
    tolerance: float,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]] | None:
    """Maximise the concave dual a.f + b.g(f) from `f`, all in units of epsilon; None where that fails.

    Damped after Levenberg and Marquardt, with g always the best for f. Rows and columns without weight have no part in
    it; their potentials come with the end.
    """
    rows, columns = a > 0, b > 0
    inner, a_in, b_in = energy[rows][:, columns], a[rows], b[columns]
    best = _newton(inner, a_in, b_in, f[rows], tolerance)
    if best is None:
        return None
    g = -(energy[rows] + (best + a_in.log())[:, None]).logsumexp(0)
    return -(energy + (g + b.log())).logsumexp(1), g


def _newton(energy: Tensor, a: Tensor, b: Tensor, f: Tensor, tolerance: float) -> Tensor | None:
    energy = energy + a.log()[:, None]
    step = torch.zeros_like(f)
    damping, slope = 1.0, 0.0
    plan, residual, hessian = torch.zeros_like(energy), step, torch.zeros_like(energy @ energy.T)
    for _ in range(_STEPS):
        trial = energy + (f + step)[:, None]
        trial = (trial - trial.logsumexp(0)).exp_() * b  # columns exact
        error = a - trial.sum(1)  # the dual's gradient
        # On a line through a concave function the slope falls: a step is good unless it ends far beyond the top. Unlike
        # the dual's value this still tells right from wrong when only the last digits are left to win.
        if (error @ step).item() >= -0.9 * slope:
            f, plan, residual, damping = f + step, trial, error, max(damping / 8, 1e-15)
            if residual.abs().sum().item() <= tolerance:
                return f
            # the last term: f + constant changes nothing
            hessian = plan.sum(1).diag() - (plan / b) @ plan.T + a[:, None] * a
        else:
            damping *= 8
        factor, failed = torch.linalg.cholesky_ex(hessian + damping * plan.sum(1).diag())
        step = torch.cholesky_solve(residual[:, None], factor)[:, 0].masked_fill(failed > 0, math.nan)  # NaN is refused
        slope = (residual @ step).item()
    return None
