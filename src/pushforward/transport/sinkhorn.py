"""Entropic optimal transport."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import InvalidInput, require

__all__ = ["sinkhorn"]

_PERIOD = 8  # iterations between looks at the error, each of which costs two more products and waits for the device
_NEAR = 0.3  # the error, out of at most 2, below which the over-relaxation is free to choose
_NEWTON = 100  # steps of the second stage at most; 10 to 20 are usual
_DRIFT = 50.0  # |log| of the scalings at which they move into the kernel, far from the 700 where float64 overflows


@torch.no_grad()
def sinkhorn(
    cost: Float[Tensor, "n m"], epsilon: float, *, tolerance: float = 1e-6, max_iterations: int = 500
) -> Float[Tensor, "n m"]:
    r"""The plan between uniform weights that is optimal up to an entropic penalty.

    .. math:: \min_{P \ge 0}\ \langle P, C\rangle + \varepsilon\,\mathrm{KL}(P \,\|\, a b^\top), \quad
              P 1 = a = \tfrac1n 1,\ P^\top 1 = b = \tfrac1m 1; \qquad
              P_{ij} = u_i\,e^{f_i + g_j - C_{ij}/\varepsilon}\,v_j

    1. One iteration in logarithms gives potentials f, g for which no row or column of the exponential vanishes; from
       there u and v are scaled in turns by matrix products and move into f, g whenever they have grown. They are
       over-relaxed, :math:`u \leftarrow u\,(a / (u \cdot Kv))^{\omega}`: from the ratio r of two errors under omega,
       Young's relation :math:`(r + \omega - 1)^2 = r\,\omega^2 \rho` gives the rate rho of the plain iteration and
       :math:`\omega = 2/(1 + \sqrt{1 - \rho})`. Where the error has grown tenfold, omega returns to 1 and its limit
       moves halfway there.
    2. Where the plan is nearly a permutation no scaling converges in useful time. What is still off after
       `max_iterations` goes to Newton's method on the dual in f alone (g is always the best for f), damped after
       Levenberg and Marquardt; a step costs a product and a factorisation of `[n, n]`.

    Float64 inside.

    Source: Cuturi, Sinkhorn Distances (2013), https://arxiv.org/abs/1306.0895; absorption: Schmitzer, Stabilized Sparse
        Scaling Algorithms (2019), https://arxiv.org/abs/1610.06519; over-relaxation: Thibault, Chizat, Dossal &
        Papadakis, Overrelaxed Sinkhorn-Knopp Algorithm (2021), https://arxiv.org/abs/1711.01851; second stage: Brauer,
        Clason, Lorenz & Wirth, A Sinkhorn-Newton method (2017), https://arxiv.org/abs/1710.06635. Differs: omega is
        estimated on the fly with the error as its safeguard; Newton's method is damped and works on one potential.

    Args:
        cost: `[n, m]`, finite.
        epsilon: Strength of the penalty, > 0, in units of the cost; 0.05 `cost.mean()` blurs little, 0.005 is sharp.
        tolerance: Largest L1 error of each of the two marginals, whose total mass is 1.
        max_iterations: Pairs of scalings before the second stage.

    Returns: the plan, of total mass 1, with the cost's dtype and device.
    Raises: `InvalidInput` for a cost that is not finite, for `epsilon <= 0`, and where the marginals stay off by more
        than the tolerance: a plan with other marginals is never returned.

    Example:
        >>> sinkhorn(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1.0)  # off the diagonal: 1 / (2 + 2 e)
        tensor([[0.3655, 0.1345],
                [0.1345, 0.3655]])
    """
    n, m = cost.shape
    require(n > 0 and m > 0, f"sinkhorn needs rows and columns, got a cost of shape {[n, m]}")
    # a relative epsilon of a cost with NaN is NaN, too: the next line has the better sentence for it
    require(not epsilon <= 0, f"epsilon is {epsilon}, expected a positive number in units of the cost")
    a, b = 1 / n, 1 / m
    energy = cost.double() / -epsilon
    require(
        bool(torch.isfinite(energy).all()),
        "the cost over epsilon is not finite; look for NaN or infinity in the states, or raise epsilon",
    )
    f = math.log(a) - energy.logsumexp(1)
    g = math.log(b) - (energy + f[:, None]).logsumexp(0)
    kernel = (energy + f[:, None] + g).exp_()
    u, v = torch.ones_like(f), torch.ones_like(g)
    omega, limit, before, best = 1.0, 1.96, math.inf, math.inf
    for done in range(0, max_iterations, _PERIOD):
        rows, columns = u * (kernel @ v), v * (u @ kernel)
        error = torch.maximum((rows - a).abs().sum(), (columns - b).abs().sum()).item()
        if error <= tolerance:
            return (u[:, None] * kernel * v).to(cost.dtype)
        best = min(best, error)
        if error > 10 * best:  # over-relaxed errors swing, so one that has grown a little says nothing
            omega, limit, best = 1.0, (1 + limit) / 2, error
        elif done and error < before:
            rate = (error / before) ** (1 / _PERIOD)
            if rate <= omega - 1:  # omega - 1 is the rate of every omega that is too large
                omega = 1 + 0.95 * (omega - 1)
            else:
                rho = (rate + omega - 1) ** 2 / (rate * omega**2)
                # Young's relation is local: a bold step far from the solution throws away what has been reached
                omega = min(limit if error < _NEAR else 1.5, 2 / (1 + math.sqrt(max(0.0, 1 - rho))))
        before = error
        for _ in range(_PERIOD):
            u = u * (a / (u * (kernel @ v))) ** omega
            v = v * (b / (v * (u @ kernel))) ** omega
        log_u, log_v = u.log(), v.log()
        if torch.maximum(log_u.abs().max(), log_v.abs().max()) > _DRIFT:
            f, g = f + log_u, g + log_v
            kernel = (energy + f[:, None] + g).exp_()
            u, v = torch.ones_like(f), torch.ones_like(g)
    plan = _newton(energy, f + u.log(), tolerance)
    if plan is None:
        raise InvalidInput(
            f"the plan's marginals do not come within {tolerance:.1e} for epsilon={epsilon:.3g} and a mean cost of "
            f"{cost.mean().item():.3g}; raise epsilon or tolerance, or solve without entropy (assignment)"
        )
    return plan.to(cost.dtype)


def _newton(energy: Float[Tensor, "n m"], f: Float[Tensor, " n"], tolerance: float) -> Float[Tensor, "n m"] | None:
    """Maximise the concave dual a.f + b.g(f) from `f`, in units of epsilon; None where that fails."""
    n, m = energy.shape
    step = torch.zeros_like(f)
    damping, slope = 1.0, 0.0
    plan, residual, hessian = torch.zeros_like(energy), step, torch.zeros_like(energy @ energy.T)
    for _ in range(_NEWTON):
        trial = energy + (f + step)[:, None]
        trial = (trial - trial.logsumexp(0)).exp_() / m  # columns exact
        error = 1 / n - trial.sum(1)  # the dual's gradient
        # On a line through a concave function the slope falls: a step is good unless it ends far beyond the top. Unlike
        # the dual's value this still tells right from wrong when only the last digits are left to win.
        if (error @ step).item() >= -0.9 * slope:
            f, plan, residual, damping = f + step, trial, error, max(damping / 8, 1e-15)
            if residual.abs().sum().item() <= tolerance:
                return plan
            hessian = plan.sum(1).diag() - m * plan @ plan.T + 1 / n**2  # the last term: f + constant changes nothing
        else:
            damping *= 8
        factor, failed = torch.linalg.cholesky_ex(hessian + damping * plan.sum(1).diag())
        step = torch.cholesky_solve(residual[:, None], factor)[:, 0].masked_fill(failed > 0, math.nan)  # NaN is refused
        slope = (residual @ step).item()
    return None
