"""The scaling loop of `entropic_ot` and `sinkhorn_divergence`: kernels held or made block by block, and the pace."""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor

__all__ = ["Dense", "Points", "Potentials", "Source", "scale", "scale_symmetric", "weighing"]

_PERIOD = 8  # iterations between looks at the error, each of which waits for the device
_NEAR = 0.3  # the error, out of at most 2, below which the over-relaxation is free to choose
_COARSE = 2e-5  # error at which float32, whose products stall near 1e-6, hands over to float64
_DRIFT = {torch.float32: 20.0, torch.float64: 50.0}  # |log| of the scalings at which they move into the kernel
_SMALL = 1 << 17  # entries up to which float32 gains less than its stage costs
_BLOCK = 1 << 20  # entries of the kernel of `Points` that exist at once

Sweep = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""`(u, b v, a, -omega) -> (u Kbv, the next u, K'(a u) for it)`: the row marginal's densities, and half an iteration."""


@runtime_checkable
class Source(Protocol):
    r"""Where kernels :math:`e^{F_i + G_j - C_{ij}/\varepsilon}` come from; potentials are in units of epsilon."""

    size: int  # number of entries

    def start(self) -> tuple[Tensor, Tensor]:
        """Potentials for which all entries are at most 1, and 1 in every row and in every column."""
        ...

    def repair(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The same, from columns' potentials that need not be good."""
        ...

    def symmetric(self) -> tuple[Tensor, Tensor]:
        """Where cost and weights are symmetric: potentials that are equal and make the diagonal 1."""
        ...

    def at(self, f: Tensor, g: Tensor, dtype: torch.dtype) -> Sweep:
        """One iteration's products with the kernel."""
        ...


class Potentials(NamedTuple):
    """Where the loop ended: `u` and `v` are in F and G already, `error` `[*b]` is L1, of the worse marginal."""

    f: Tensor
    g: Tensor
    u: Tensor
    v: Tensor
    error: Tensor
    iterations: int


class Dense:
    """Kernels of a cost matrix that is in memory, `[*b, n, m]`.

    Args:
        cost: Any floating dtype.
        epsilon: `[*b]`.
    """

    def __init__(self, cost: Real[Tensor, "*b n m"], epsilon: Float[Tensor, "*b"]) -> None:
        # where the cost has float32's digits only, exponentials need no more, and cost a sixth
        self.coarse = cost.dtype != torch.float64
        # Memory that is new costs more here than arithmetic: the matrices are made once and worked on in place.
        self.energy = cost.to(torch.float64, copy=True).mul_(-1 / epsilon[..., None, None])
        self.size = cost.numel()
        self.single, self.double = torch.empty_like(self.energy, dtype=torch.float32), torch.empty_like(self.energy)
        self.rows = self.energy.amax(-1)
        self.energy.sub_(self.rows[..., None])
        self.columns = self.energy.amax(-2)
        self.energy.sub_(self.columns[..., None, :])

    def start(self) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self.rows), torch.zeros_like(self.columns)

    def repair(self, g: Tensor) -> tuple[Tensor, Tensor]:
        f = -(self.energy + g[..., None, :]).amax(-1)
        return f, -(self.energy + f[..., None]).amax(-2)

    def symmetric(self) -> tuple[Tensor, Tensor]:
        half = (self.energy.diagonal(dim1=-2, dim2=-1) + self.rows + self.columns) / 2
        return self.rows - half, self.columns - half

    def at(self, f: Tensor, g: Tensor, dtype: torch.dtype) -> Sweep:
        if dtype == torch.float32:
            kernel = self.single.copy_(self.energy)
            kernel.add_(f[..., None].float()).add_(g[..., None, :].float()).exp_()
        else:
            kernel = torch.add(self.energy, f[..., None], out=self.double).add_(g[..., None, :])
            if self.coarse:
                kernel.copy_(self.single.copy_(kernel).exp_())
            else:
                kernel.exp_()
        transposed = kernel.mT

        def sweep(u: Tensor, bv: Tensor, a: Tensor, power: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            rows = u * _product(kernel, bv)
            u = u * rows**power
            return rows, u, _product(transposed, a * u)

        return sweep


def _product(matrix: Tensor, vector: Tensor) -> Tensor:
    return torch.mv(matrix, vector) if vector.ndim == 1 else (matrix @ vector[..., None])[..., 0]


class Points:
    r"""Kernels of squared Euclidean costs between points, made in blocks of rows and forgotten: O(n + m) memory.

    The exponent is one matrix product, :math:`(2 x_i/\varepsilon,\\ F_i - |x_i|^2/\varepsilon,\\ 1) \cdot
    (y_j,\\ 1,\\ G_j - |y_j|^2/\varepsilon)`, of points that have been centred.
    """

    def __init__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], epsilon: Float[Tensor, ""]) -> None:
        centre = (x.double().mean(0) + y.double().mean(0)) / 2
        self.x, self.y, self.epsilon = x.double() - centre, y.double() - centre, epsilon
        self.x_square, self.y_square = (z.square().sum(1) / epsilon for z in (self.x, self.y))
        self.size, self.block = len(x) * len(y), max(1, _BLOCK // len(y))

    def start(self) -> tuple[Tensor, Tensor]:
        return self.repair(torch.zeros_like(self.y_square))

    def repair(self, g: Tensor) -> tuple[Tensor, Tensor]:
        left, right = self.factors(torch.zeros_like(self.x_square), g, torch.float64)
        f = -torch.cat([(rows @ right).amax(1) for rows in left.split(self.block)])
        left, right = self.factors(f, torch.zeros_like(g), torch.float64)
        columns = torch.full_like(g, -torch.inf)
        for rows in left.split(self.block):
            torch.maximum(columns, (rows @ right).amax(0), out=columns)
        return f, -columns

    def symmetric(self) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self.x_square), torch.zeros_like(self.y_square)

    def factors(self, f: Tensor, g: Tensor, dtype: torch.dtype) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k m"]]:
        """Two matrices whose product is the exponent."""
        left = torch.cat([self.x * (2 / self.epsilon), (f - self.x_square)[:, None], torch.ones_like(f)[:, None]], 1)
        right = torch.cat([self.y, torch.ones_like(g)[:, None], (g - self.y_square)[:, None]], 1)
        return left.to(dtype), right.to(dtype).T.contiguous()

    def at(self, f: Tensor, g: Tensor, dtype: torch.dtype) -> Sweep:
        left, right = self.factors(f, g, dtype)

        def sweep(u: Tensor, bv: Tensor, a: Tensor, power: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            columns, all_rows, after = torch.zeros_like(bv), [], []
            for block, u_here, a_here in zip(*(z.split(self.block) for z in (left, u, a)), strict=True):
                kernel = (block @ right).exp_()
                rows = u_here * (kernel @ bv)
                all_rows.append(rows)
                after.append(u_here * rows**power)
                columns += (a_here * after[-1]) @ kernel
            return torch.cat(all_rows), torch.cat(after), columns

        return sweep

    def pull(self, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> Float[Tensor, "n d"]:
        """Derivative of the plan's cost in `x`: `2 sum_j P_ij (x_i - y_j)`."""
        left, right = self.factors(f, g + b.log(), torch.float64)
        weighted = torch.cat([torch.ones_like(self.y[:, :1]), self.y], 1)
        sums = torch.cat([(rows @ right).exp_() @ weighted for rows in left.split(self.block)])
        return 2 * a[:, None] * (sums[:, :1] * self.x - sums[:, 1:])

    def soft(self, g: Tensor) -> Tensor:
        """Potentials of the rows that make `sum_j exp(F_i + g_j - C_ij / epsilon)` 1."""
        left, right = self.factors(torch.zeros_like(self.x_square), g, torch.float64)
        return -torch.cat([(rows @ right).logsumexp(1) for rows in left.split(self.block)])

    def swapped(self) -> "Points":
        """Rows and columns exchanged."""
        return Points(self.y, self.x, self.epsilon)


class _Pace:
    r"""The over-relaxation of each problem, from its errors.

    From the ratio r of two errors under omega, Young's relation :math:`(r + \omega - 1)^2 = r\,\omega^2 \rho` gives
    the rate rho of the plain iteration, and :math:`\omega = 2/(1 + \sqrt{1 - \rho})` is best. Where the error has
    grown tenfold, omega returns to 1 and its limit moves halfway there.
    """

    def __init__(self, shape: torch.Size, limit: float) -> None:
        self.omega, self.limit = np.ones(shape), np.full(shape, limit)
        self.before, self.best = np.full(shape, np.inf), np.full(shape, np.inf)
        self.rate = np.ones(shape)

    def power(self, a: Tensor) -> Tensor:
        """-omega `[*b, 1]`, beside weights `a`."""
        return torch.as_tensor(-self.omega, dtype=a.dtype).to(a.device)[..., None]

    def restart(self) -> None:
        """The next error follows after other than `_PERIOD` iterations."""
        self.before = np.full_like(self.best, np.inf)

    def forget(self) -> None:
        """The next errors have another precision."""
        self.restart()
        self.best = np.full_like(self.best, np.inf)

    def wait(self, error: np.ndarray, target: float) -> int:
        """Iterations until the worst error should be within `target` at the best omega, from 2 to `_PERIOD`."""
        worst = error.argmax()
        share, rate = target / float(error.flat[worst]), float(self.rate.flat[worst])
        if not (0 < share < 1 and 0 < rate < 1):
            return _PERIOD
        return min(_PERIOD, max(2, math.ceil(math.log(share) / math.log(rate))))

    def look(self, error: np.ndarray) -> None:
        """Choose omega anew, `_PERIOD` iterations after the last look."""
        omega = self.omega
        self.best = np.fmin(self.best, error)
        # over-relaxed errors swing, so one that has grown a little says nothing; NaN is bad, too
        bad = ~(error <= 10 * self.best)
        falls = np.isfinite(self.before) & (error < self.before) & ~bad
        rate = np.divide(error, self.before, out=np.ones_like(error), where=falls & (error > 0)) ** (1 / _PERIOD)
        rho = (rate + omega - 1) ** 2 / (rate * omega**2)
        best = 2 / (1 + np.sqrt(np.maximum(0.0, 1 - rho)))
        # Young's relation is local: a bold step far from the solution throws away what has been reached
        best = np.minimum(np.where(error < _NEAR, self.limit, np.minimum(self.limit, 1.5)), best)
        best = np.where(rate <= omega - 1, 1 + 0.95 * (omega - 1), best)  # omega - 1 is the rate of every one too large
        self.omega = np.where(bad, 1.0, np.where(falls, best, omega))
        self.rate = np.where(falls, np.clip(self.omega - 1, 0.2, 0.98), self.rate)  # that of the best omega
        self.limit = np.where(bad, (1 + self.limit) / 2, self.limit)
        self.best = np.where(bad, np.where(np.isfinite(error), error, np.inf), self.best)
        self.before = error


def scale(
    source: Source,
    a: Float[Tensor, "*b n"],
    b: Float[Tensor, "*b m"],
    *,
    tolerance: float,
    max_iterations: int,
    fastest: float = 1.96,
) -> Potentials:
    """Scale rows and columns in turns until both marginals are within `tolerance`, or the iterations are used up.

    `fastest` bounds omega; 1 are Sinkhorn's own iterations.
    """
    f, g = source.start()
    pace, used = _Pace(a.shape[:-1], fastest), 0
    if source.size > _SMALL:
        target, budget = max(tolerance, _COARSE), max_iterations // 2
        rough = _stage(source, a.float(), b.float(), f, g, pace=pace, target=target, budget=budget)
        f, g, used = rough.f, rough.g, rough.iterations
        pace.forget()
    end = _stage(source, a.double(), b.double(), f, g, pace=pace, target=tolerance, budget=max_iterations - used)
    return end._replace(iterations=used + end.iterations)


def _stage(
    source: Source, a: Tensor, b: Tensor, f: Tensor, g: Tensor, *, pace: _Pace, target: float, budget: int
) -> Potentials:
    """Scale in the precision of `a` and `b`."""
    sweep, u, v, columns = source.at(f, g, a.dtype), torch.ones_like(a), torch.ones_like(b), torch.zeros_like(b)
    power, done, fresh, check = pace.power(a), 0, 0, 1
    while True:
        rows, after, sums = sweep(u, b * v, a, power)
        if fresh == check or done >= budget:
            # `rows` belong to the u and v at hand, and so do the `columns` of the half-step before
            error = torch.maximum(_l1(rows, a), _l1(v * columns, b))
            errors = np.asarray(error.cpu().numpy())
            ends = bool((errors <= target).all()) or done >= budget
            if not ends and fresh % _PERIOD != 1:
                check = min(fresh + pace.wait(errors, target), fresh + _PERIOD - (fresh - 1) % _PERIOD)
            else:
                log_u, log_v = u.log(), v.log()
                lost = ~np.isfinite(errors)
                broken = torch.as_tensor(lost).to(a.device)[..., None]
                if ends:
                    f, g = torch.where(broken, f, f + log_u), torch.where(broken, g, g + log_v)
                    return Potentials(f, g, u, v, error, done)
                pace.look(errors)
                power, check = pace.power(a), fresh + pace.wait(errors, target)
                drift = float(torch.maximum(log_u.abs().amax(), log_v.abs().amax()))
                if not drift <= _DRIFT[a.dtype]:
                    safe_f, safe_g = source.repair(g) if lost.any() else (f, g)
                    f, g = torch.where(broken, safe_f, f + log_u), torch.where(broken, safe_g, g + log_v)
                    sweep, u, v = source.at(f, g, a.dtype), torch.ones_like(a), torch.ones_like(b)
                    columns = torch.zeros_like(b)
                    pace.restart()
                    fresh, check = 0, 1
                    continue
        u, columns = after, sums
        v = v * (v * columns) ** power
        done, fresh = done + 1, fresh + 1


def scale_symmetric(source: Source, a: Float[Tensor, " n"], *, tolerance: float, max_iterations: int) -> Potentials:
    r"""The plan of weights to themselves, :math:`u \leftarrow \sqrt{u / Kau}`, in float64.

    Where the kernel is positive definite the error falls by half at least with every iteration, however small epsilon
    is and however close the plan to the identity, on which scaling in turns gets nowhere.
    """
    f, g = source.symmetric()
    sweep, u, root = source.at(f, g, torch.float64), torch.ones_like(a), torch.full_like(a[:1], -0.5)
    error, done = a.new_full((), torch.inf), 0
    for done in range(max_iterations + 1):
        rows, after, _ = sweep(u, a * u, a, root)
        if done % 4 == 3 or done == max_iterations:
            error = _l1(rows, a)
            if not bool(error > tolerance):
                break
        u = after
    return Potentials(f + u.log(), g + u.log(), u, u, error, done)


def weighing(weights: Float[Tensor, "*b n"]) -> Int64[Tensor, "*b n"] | None:
    """Every index, but one that weighs something in place of one that does not; None where all do.

    What weighs nothing has no part in the optimum, yet its kernel entries may vanish or overflow, and 0 times infinity
    is no number: it is scaled as a copy of something that weighs, and gets its own potential in the end.
    """
    if bool((weights > 0).all()):
        return None
    own = torch.arange(weights.shape[-1], device=weights.device).expand_as(weights)
    return torch.where(weights > 0, own, weights.argmax(-1, keepdim=True))


def _l1(density: Tensor, weight: Tensor) -> Tensor:
    return (weight * (density - 1).abs()).sum(-1, dtype=torch.float64)
