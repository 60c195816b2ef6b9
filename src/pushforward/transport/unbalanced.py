"""Entropic transport whose marginals may give way, at a price."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor

from pushforward.core import InvalidInput, require
from pushforward.transport._doors import Array, cost_matrix, masses, number, strength

__all__ = ["Unbalanced", "unbalanced"]

_PERIOD = 8  # sweeps between looks at the error, each of which costs a sweep and waits for the device
_NEAR = 0.3  # the relative error below which the over-relaxation is free to choose
_DRIFT = 100.0  # logarithm of the scalings at which they move into the kernel; what it lacks is below exp(-745 + 100)

Half = Callable[[Tensor], Tensor]


class Unbalanced(NamedTuple):
    r"""A plan, the potentials it is made of, and what proves it good.

    `plan` is :math:`a_i b_j\, e^{(f_i + g_j - C_{ij})/\varepsilon}`. `value` is the dual's, a lower bound of the
    optimum; `gap` is how far above it the plan's own is (of a marginal that must be exact, the distance to it does not
    count: it is rounding or below the tolerance). `sweeps` is how many updates of both potentials it took.
    """

    plan: Float[Tensor, "n m"]
    f: Float[Tensor, " n"]
    g: Float[Tensor, " m"]
    value: Float[Tensor, ""]
    gap: float
    sweeps: int


@torch.no_grad()
def unbalanced(
    cost: Real[Array, "n m"],
    epsilon: float,
    rho: float | tuple[float, float],
    *,
    a: Float[Array, " n"] | None = None,
    b: Float[Array, " m"] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 10_000,
    translate: bool = True,
    over_relax: bool = True,
) -> Unbalanced:
    r"""Entropic transport with Kullback-Leibler penalties on the marginals.

    .. math:: \min_{P \ge 0}\ \langle P, C\rangle + \rho_1\,\mathrm{KL}(P 1 \,\|\, a)
              + \rho_2\,\mathrm{KL}(P^\top 1 \,\|\, b) + \varepsilon\,\mathrm{KL}(P \,\|\, a b^\top), \qquad
              \mathrm{KL}(p \,\|\, q) = \sum p \log \tfrac pq - p + q

    At the optimum :math:`P 1 = a\,e^{-f/\rho_1}` and :math:`P^\top 1 = b\,e^{-g/\rho_2}`, so that what is far from
    everything counts for less, and P is the balanced entropic plan between these two measures. A rho that is infinite
    keeps its marginal; one that is 0 lets it go. The mass of P is free: it is below 1 for probabilities and costs that
    are not negative. A point of mass at distance c from another has rho (2 - 2 exp(-c / 2 rho)) to pay at epsilon 0, at
    most the 2 rho of making the one vanish and the other appear: rho is the cost beyond which nothing travels.

    1. The scaling algorithm: :math:`f \leftarrow -\tfrac{\rho_1}{\rho_1 + \varepsilon}\,\varepsilon \log \sum_j b_j\,
       e^{(g_j - C_{ij})/\varepsilon}`, likewise g. It slows down like rho / epsilon, because it moves a constant from f
       to g by small steps.
    2. `translate`: :math:`(f + \lambda, g - \lambda)` with :math:`\lambda = \tfrac{\rho_1 \rho_2}{\rho_1 + \rho_2}
       \log \tfrac{\sum a e^{-f/\rho_1}}{\sum b e^{-g/\rho_2}}`, the best constant, ends every sweep. This is the
       translation-invariant iteration of Sejourne et al., up to the order of the two steps.
    3. `over_relax`: what is left converges like the balanced iteration and is over-relaxed like it, with Young's
       relation between the rates, as in `sinkhorn`.

    On 40 and 40 points at epsilon 0.05 of the mean cost and rho 1, 10, 100 of it: 192, 1648, 14104 plain sweeps to a
    tolerance of 1e-9; 104, 400, 680 with 2; 40, 72, 96 with both. On 256 and 256 points in the plane, epsilon 0.01 and
    rho 0.19, 1, 10, POT's default took 1.5, 4.4 and 28 times as long (one run, one thread).

    Float64 inside. Sums go through a kernel into which the scalings move whenever they have grown, hence matrix
    products; where that fails (potentials that move by hundreds of epsilon in a sweep), through logarithms. Stopped by
    the L1 distance of both marginals to their form at the optimum. The certificate (derived): the gap between primal
    and dual is :math:`\rho_1 \mathrm{KL}(P 1 \,\|\, a e^{-f/\rho_1}) + \rho_2 \mathrm{KL}(P^\top 1 \,\|\,
    b e^{-g/\rho_2})`, a sum of two terms that are never negative.

    Source: Chizat, Peyre, Schmitzer & Vialard, Scaling Algorithms for Unbalanced Transport Problems (2018),
        https://arxiv.org/abs/1607.05816; Sejourne, Vialard & Peyre, Faster Unbalanced Optimal Transport: Translation
        Invariant Sinkhorn and 1-D Frank-Wolfe (AISTATS 2022), https://arxiv.org/abs/2201.00730; the factor
        rho / (rho + epsilon) is what some libraries call tau.

    Args:
        cost: `[n, m]`, tensor or array, finite.
        epsilon: Strength of the entropy, > 0, in units of the cost.
        rho: Strengths of the penalties on rows and columns, one number for both; from 0 to infinity.
        a: Weights of the rows, not negative; 1 / n by default. Zero is allowed, any total is.
        b: Weights of the columns, likewise 1 / m. With two infinite rhos a and b must weigh the same.
        tolerance: Of the L1 error of the marginals, over the plan's mass.
        max_iterations: Sweeps at most.
        translate: End sweeps with the best constant; False leaves the plain iteration.
        over_relax: Go further than each update says; False takes it as it is.

    Returns: Plan and potentials on the cost's device and in its dtype, float32 at least; the gradient of `value` in the
        cost is the plan.
    Raises: `InvalidInput` for a cost or weights that are not finite, strengths out of range, and where the tolerance is
        not reached: a plan with another form is never returned.

    Example:
        >>> unbalanced(torch.tensor([[1.2]]), 0.05, 0.3).plan  # exp(-c / (2 rho + epsilon))
        tensor([[0.1578]])
    """
    cost = cost_matrix(cost, "unbalanced")
    epsilon, rho = strength(epsilon, cost), _pair(rho)
    n, m = cost.shape
    energy = cost.double() / -epsilon
    require(
        bool(torch.isfinite(energy).all()),
        "the cost over epsilon is not finite; look for NaN or infinity in the states, or raise epsilon",
    )
    require(
        all(r >= 0 for r in rho),
        f"rho is {rho}, expected numbers from 0 (marginal is free) to infinity (marginal is kept)",
    )
    log_a, log_b = (masses(w, k, name).to(energy).log() for w, k, name in ((a, n, "a"), (b, m, "b")))
    require(
        not math.isinf(min(rho)) or (log_a.logsumexp(0) - log_b.logsumexp(0)).abs().item() < 1e-6,
        "a and b have different masses, which two infinite rhos cannot join; normalise them, or lower one rho",
    )
    # From here in units of epsilon: potentials, strengths, energies.
    sides = _Side(rho[0] / epsilon, log_a), _Side(rho[1] / epsilon, log_b)
    f, g, error, sweeps = _iterate(energy, sides, tolerance, max_iterations, translate=translate, over_relax=over_relax)
    if not error <= tolerance:
        raise InvalidInput(
            f"the marginals are off by {error:.1e} after {sweeps} sweeps for epsilon={epsilon:.3g}, rho={rho} and a "
            f"mean cost of {cost.mean().item():.3g}; raise epsilon, tolerance or max_iterations, or lower rho"
        )
    rows, columns = _logarithms(energy, *sides)
    if math.isinf(sides[0].rho):  # a marginal that is kept is exact after its own update
        f = -rows(g)
    elif math.isinf(sides[1].rho):
        g = -columns(f)
    plan = (energy + (f + log_a)[:, None] + (g + log_b)).exp_()
    require(
        bool(torch.isfinite(plan).all()), "the plan's mass overflows; count the cost from its least entry, or raise rho"
    )
    gap = sides[0].gap(plan.sum(1), f) + sides[1].gap(plan.sum(0), g)
    value = sides[0].dual(f) + sides[1].dual(g) + log_a.exp().sum() * log_b.exp().sum() - plan.sum()
    dtype = torch.promote_types(cost.dtype, torch.float32)
    plan, f, g, value = (x.to(dtype) for x in (plan, epsilon * f, epsilon * g, epsilon * value))
    return Unbalanced(plan, f, g, value, epsilon * gap.item(), sweeps)


class _Side(NamedTuple):
    """One marginal: its strength in units of epsilon, and its weights."""

    rho: float
    log_weight: Tensor

    @property
    def damping(self) -> float:
        return 1.0 if math.isinf(self.rho) else self.rho / (self.rho + 1)

    def wanted(self, potential: Tensor) -> Tensor:
        """log of the marginal that the potential stands for; a free one wants nothing else than it has."""
        return self.log_weight - (potential / self.rho if self.rho else potential)

    def mass(self, potential: Tensor) -> Tensor:
        """log of its sum."""
        return self.wanted(potential).logsumexp(0)

    def dual(self, potential: Tensor) -> Tensor:
        """Its term of the dual."""
        weight = self.log_weight.exp()
        potential = torch.where(weight > 0, potential, 0.0)  # its exponential may overflow where nothing weighs it
        if math.isinf(self.rho):
            return weight @ potential
        return -self.rho * (weight @ torch.expm1(-potential / self.rho)) if self.rho else weight.new_zeros(())

    def gap(self, marginal: Tensor, potential: Tensor) -> Tensor:
        """Its term of primal minus dual."""
        if math.isinf(self.rho) or self.rho == 0:
            return marginal.new_zeros(())
        wanted = self.wanted(potential)
        # p log(p / q) - p + q loses all digits where p = q nearly; q (r log r - r + 1), r = p / q, as a sum of squares
        log_ratio = torch.where(marginal > 0, marginal.log() - wanted, 0.0)
        near = log_ratio.abs() < 1e-4
        exact = marginal * log_ratio - marginal + wanted.exp()
        return self.rho * torch.where(near, marginal * log_ratio.square() / 2, exact).sum().clamp_min(0)


def _pair(rho: Any) -> tuple[float, float]:
    hint = ", or a pair of them: of the rows and of the columns"
    given = tuple(rho) if isinstance(rho, (tuple, list)) else (rho, rho)
    require(len(given) == 2, f"rho has {len(given)} entries, expected one number{hint}")
    return number(given[0], "rho", hint), number(given[1], "rho", hint)


def _logarithms(energy: Tensor, rows: _Side, columns: _Side) -> tuple[Half, Half]:
    """log sum_j b_j exp(g_j - C_ij / eps) as a function of g, and likewise of f; always right, and slow."""
    return (
        lambda g: (energy + (columns.log_weight + g)).logsumexp(1),
        lambda f: (energy + (rows.log_weight + f)[:, None]).logsumexp(0),
    )


def _kernel(energy: Tensor, rows: _Side, columns: _Side, g: Tensor) -> tuple[Half, Half, Callable[..., Tensor]]:
    """The same by products with a kernel that is right near `g`, and how far from there two potentials are.

    Its rows and columns are scaled as in a balanced step, without damping: those that are far from everything, and
    whose scalings all but vanish, have entries of ordinary size like the others.
    """
    exact_rows, exact_columns = _logarithms(energy, rows, columns)
    alpha = -exact_rows(g)
    beta = -exact_columns(alpha)
    kernel = (energy + alpha[:, None] + beta).exp_()
    a, b = rows.log_weight - alpha, columns.log_weight - beta

    def drift(f: Tensor, g: Tensor, row: Tensor, column: Tensor) -> Tensor:
        grown = torch.maximum((f - alpha).max(), (g - beta).max())
        return torch.maximum(grown, torch.maximum(-(row + alpha).min(), -(column + beta).min()))

    return (
        lambda g: (kernel @ (b + g).exp_()).log_() - alpha,
        lambda f: ((a + f).exp_() @ kernel).log_() - beta,
        drift,
    )


def _iterate(
    energy: Tensor, sides: tuple[_Side, _Side], tolerance: float, limit: int, *, translate: bool, over_relax: bool
) -> tuple[Tensor, Tensor, float, int]:
    """Potentials in units of epsilon, the relative error of their plan's marginals, and the sweeps it took."""
    left, right = sides
    damp_f, damp_g = left.damping, right.damping
    soft = min(left.rho, right.rho)
    translate = translate and 0 < soft < math.inf
    factor = soft / (1 + soft / max(left.rho, right.rho)) if translate else 0.0

    def look(f: Tensor, g: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """L1 error of the marginals over the plan's mass, neither of which needs to be representable."""
        has = left.log_weight + f + row, right.log_weight + g + column
        wants = tuple(side.wanted(x) if side.rho else h for side, x, h in zip(sides, (f, g), has, strict=True))
        unit = torch.stack([x.max() for x in (*has, *wants)]).max()
        errors = [((h - unit).exp() - (w - unit).exp()).abs().sum() for h, w in zip(has, wants, strict=True)]
        return torch.maximum(*errors) / (has[0] - unit).exp().sum()

    rows, columns = _logarithms(energy, left, right)
    f = -damp_f * rows(energy.new_zeros(energy.shape[1]))
    g = -damp_g * columns(f)
    rows, columns, drift = _kernel(energy, left, right, g)
    known, logs, done = (f, g), False, False  # logs: without the kernel; done: and a period of it has passed
    omega, top, before, best = 1.0, 1.96, math.inf, math.inf
    error, sweeps = math.inf, 0
    while True:
        row, column = rows(g), columns(f)
        error, moved = torch.stack([look(f, g, row, column), drift(f, g, row, column)]).tolist()
        if not (logs or math.isfinite(moved)):  # once more from where it was right, by logarithms
            (f, g), logs = known, True
            rows, columns = _logarithms(energy, left, right)
            continue
        if error <= tolerance or sweeps >= limit:
            return f, g, error, sweeps
        if done or (moved > _DRIFT and not logs):
            rows, columns, drift = _kernel(energy, left, right, g)
            logs = False
        best = min(best, error)
        if not over_relax:
            pass
        elif error > 10 * best:  # over-relaxed errors swing, so one that has grown a little says nothing
            omega, top, best = 1.0, (1 + top) / 2, error
        elif sweeps and error < before:
            rate = (error / before) ** (1 / _PERIOD)
            if rate <= omega - 1:  # omega - 1 is the rate of every omega that is too large
                omega = 1 + 0.95 * (omega - 1)
            else:
                slow = (rate + omega - 1) ** 2 / (rate * omega**2)
                omega = min(top if error < _NEAR else 1.5, 2 / (1 + math.sqrt(max(0.0, 1 - slow))))
        before, known = error, (f, g)
        for _ in range(min(_PERIOD, limit - sweeps)):
            f = (1 - omega) * f - omega * damp_f * rows(g)
            g = (1 - omega) * g - omega * damp_g * columns(f)
            if translate:
                shift = factor * (left.mass(f) - right.mass(g))
                f, g = f + shift, g - shift
            sweeps += 1
        done = logs
