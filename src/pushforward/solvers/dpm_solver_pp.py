"""DPM-Solver++, multistep."""

from dataclasses import dataclass
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor

from pushforward.core import AffinePath, Cond, Gen, Path, Solver, State, Step, require
from pushforward.solvers.exponential import Leg, ends, require_path, started
from pushforward.solvers.multistep import Value, mix
from pushforward.solvers.runge_kutta import tableau_of

__all__ = ["DPMSolverPP"]


@dataclass(frozen=True)
class DPMSolverPP:
    r"""DPM-Solver++ (2M, 3M): exponential multistep integrators of the data prediction D, one evaluation a step.

    .. math:: x_t = \frac{\sigma_t}{\sigma_s} x_s + \sigma_t \int_{\lambda_s}^{\lambda_t} e^{\lambda} D\, d\lambda,
              \qquad \lambda = \log\frac\alpha\sigma, \quad h = \lambda_t - \lambda_s, \quad
              r = \frac{\lambda_s - \lambda_{s'}}{h}

    order 1 leaves D at its value D_s: Euler on straight paths, DDIM on all. Order 2 is the published 2M,

    .. math:: x_t = \frac{\sigma_t}{\sigma_s} x_s
              + \alpha_t (1 - e^{-h}) \Big[D_s + \frac1{2r} (D_s - D_{s'})\Big],

    which differs by O(h^3) from integrating the line through D_s and D_s'. Order 3 integrates the parabola in lambda
    through the last three D. **3M as the authors' code and its descendants write it has half of the last term**: by
    divided differences it puts h^2 D''/2 where the Taylor series has h^2 D'', and so is of order 2; with the factor it
    is what is here, and of order 3.

    Unless there is a `starter`, the first step has order 1 and the second 2, as published; then the whole has order 2
    at most. Order 1, too, have steps from or to a time where alpha or sigma is 0 and lambda infinite (both ends of
    CondOT), and steps over three times as long in lambda as the one before, whose polynomial they would draw out too
    far; published implementations lower the order of the last steps for that. Close to infinity steps that are equal in
    t do not become small in lambda: order 2 remains (1 where sigma falls like a root, `LinearVP`), order 3 does not;
    `grids.LogSNR` is made for it.

    Source: Lu et al., DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (2022),
        https://arxiv.org/abs/2211.01095; its time runs from data to noise. Any affine path with a velocity, whatever
        the head, has such a D.

    Args:
        path: Affine, without latent noise.
        order: 1, 2 or 3.
        starter: Explicit Runge-Kutta method of order - 1 at least for the first order - 1 steps; None for lower orders.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed. `dynamics` is a Field or an Estimator. `carry` holds the
        last order - 1 values of D.
    Raises: `Incompatible` at construction for a path that is not affine or has latent noise; `InvalidInput` for another
        order.

    Example:
        >>> path, x = pf.paths.Affine(), torch.tensor([[0.5, -0.2]])
        >>> exact = pf.oracles.reference_mixture().along(path)
        >>> solution = pf.solve(exact, x, torch.linspace(0, 1, 9), solver=DPMSolverPP(path))
        >>> solution.x, solution.nfe
        (tensor([[ 2.0711, -0.5307]]), 8)
    """

    path: Path
    order: int = 2
    starter: Solver | None = None

    def __post_init__(self) -> None:
        require_path(self)
        require(self.order in (1, 2, 3), f"DPMSolverPP has the orders 1, 2 and 3, got order={self.order!r}")
        if self.starter is not None:
            tableau_of(self, self.starter, order=self.order - 1)

    def step(
        self,
        dynamics: Any,
        x: State,
        s: Float[Tensor, " b"],
        t: Float[Tensor, " b"],
        cond: Cond = None,
        *,
        carry: Any = None,
        generator: Gen = None,
    ) -> Step:
        """One step from `s` to `t`."""
        past: tuple[Value, ...] = carry or ()
        path = cast(AffinePath, self.path)  # checked at construction
        leg, seen = Leg.of(path.coeffs(s), path.coeffs(t)), ends(path, dynamics, x, s, cond)
        kept = (Value(leg.place, seen.x1), *past)[: self.order - 1]
        if self.starter is not None and len(past) < self.order - 1:
            return Step(started(self, dynamics, x, s, t, cond=cond, seen=seen), carry=kept)
        nodes = leg.reach(leg.nodes(past))
        published = self.order == 2 and len(nodes) == 1
        pull = [leg.half(nodes[0], leg.data)] if published else leg.pull(nodes)
        y = mix(
            (leg.keep, x),
            (leg.noise, seen.x0),
            (leg.data - sum(pull), seen.x1),
            *((w, value.value) for w, value in zip(pull, past, strict=True)),
        )
        return Step(y, carry=kept)
