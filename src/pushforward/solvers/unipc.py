"""UniPC: predict and correct with one evaluation a step."""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import AffinePath, Cond, Gen, Path, Solver, State, Step, require
from pushforward.solvers.exponential import Leg, ends, require_path, started
from pushforward.solvers.multistep import Value, mix
from pushforward.solvers.runge_kutta import tableau_of

__all__ = ["UniPC"]


class _Carry(NamedTuple):
    """The values of D before (newest first); of a step that predicted its leg, and the weights it gave them."""

    past: tuple[Value, ...]
    leg: Leg | None = None
    pull: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class UniPC:
    r"""UniPC: UniP-p predicts, UniC-p corrects with the evaluation that the next step needs anyway.

    .. math:: x_t = \frac{\sigma_t}{\sigma_s} x_s + \sigma_t \int_{\lambda_s}^{\lambda_t} e^{\lambda} P\, d\lambda,
              \qquad \lambda = \log\frac\alpha\sigma, \quad h = \lambda_t - \lambda_s

    P is the polynomial in lambda through the last p values of the data prediction D for the predictor, and through
    those and D at the predicted :math:`\hat x_t` for the corrector, whose order is p + 1. A single difference of D is
    weighed by B(h)/2 instead, B = 1 - e^{-h} or h, as in the paper: this is UniP-2 (with the former DPM-Solver++ 2M)
    and UniC-1; all other weights do not depend on B.

    A step first corrects the state it is given, then predicts: states that are saved, and the last, are predictions.
    Unless there is a `starter` the first steps have lower orders, and then the whole has order 3 at most. What
    `DPMSolverPP` says of very long steps, and of those near a time where alpha or sigma is 0, holds here, too.

    Source: Zhao et al., UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models (NeurIPS
        2023), https://arxiv.org/abs/2302.04867, with data prediction; its time runs from data to noise. Differs: the
        corrector is added to the predicted state, which is the same sum.

    Args:
        path: Affine, without latent noise.
        order: p, 1, 2 or 3.
        expm1: B(h) = 1 - e^{-h} (the paper's B2) if true, h (B1) if not.
        starter: Explicit Runge-Kutta method of that order at least for the first order - 1 steps; None for lower ones.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed. `dynamics` is a Field or an Estimator. `carry` holds the
        last p values of D.
    Raises: `Incompatible` at construction for a path that is not affine or has latent noise; `InvalidInput` for another
        order.

    Example:
        >>> path, x = pf.paths.Affine(), torch.tensor([[0.5, -0.2]])
        >>> exact = pf.oracles.reference_mixture().along(path)
        >>> solution = pf.solve(exact, x, torch.linspace(0, 1, 9), solver=UniPC(path))
        >>> solution.x, solution.nfe
        (tensor([[ 2.0910, -0.5379]]), 8)
    """

    path: Path
    order: int = 2
    expm1: bool = True
    starter: Solver | None = None

    def __post_init__(self) -> None:
        require_path(self)
        require(self.order in (1, 2, 3), f"UniPC has the orders 1, 2 and 3, got order={self.order!r}")
        if self.starter is not None:
            tableau_of(self, self.starter, order=self.order)

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
        """Correct `x` at `s`, then one step from `s` to `t`."""
        path = cast(AffinePath, self.path)  # checked at construction
        leg, seen = Leg.of(path.coeffs(s), path.coeffs(t)), ends(path, dynamics, x, s, cond)
        here, carry = Value(leg.place, seen.x1), carry or _Carry(())
        past, kept = carry.past, (here, *carry.past)[: self.order]
        if self.starter is not None and len(past) < self.order - 1:
            return Step(started(self, dynamics, x, s, t, cond=cond, seen=seen), carry=_Carry(kept))
        if carry.leg is not None:
            x = self._corrected(x, here, past, carry.leg, carry.pull)
        nodes = leg.reach(leg.nodes(past[: self.order - 1]))
        pull = [leg.half(nodes[0], self._reach(leg))] if len(nodes) == 1 else leg.pull(nodes)
        y = mix(
            (leg.keep, x),
            (leg.noise, seen.x0),
            (leg.data - sum(pull), seen.x1),
            *((w, value.value) for w, value in zip(pull, past, strict=False)),
        )
        return Step(y, carry=_Carry(kept, leg, tuple(pull)))

    def _reach(self, leg: Leg) -> Tensor:
        """alpha_t B(h), finite."""
        return leg.data if self.expm1 else torch.where(leg.long, 0.0, leg.alpha * leg.h)

    def _corrected(self, x: State, here: Value, past: tuple[Value, ...], leg: Leg, pull: tuple[Tensor, ...]) -> State:
        """`x` with what the corrector adds to the prediction of `leg`, which used `pull` of `past`."""
        start, *before = past
        nodes = leg.nodes(tuple(before[: self.order - 1]))
        # after a step of infinite length only B(h) / 2 may be finite, and not where the step left sigma = 0
        new, *rest = leg.pull(nodes, ahead=True) if nodes else [torch.where(leg.noise != 0, 0.0, self._reach(leg) / 2)]
        new = torch.where(leg.long, 0.0, new) if nodes else new
        gains = [w - p for w, p in zip(rest, pull, strict=True)]
        return mix(
            (torch.ones_like(new), x),
            (new, here.value),
            (-(new + sum(gains)), start.value),
            *((g, value.value) for g, value in zip(gains, before, strict=False)),
        )
