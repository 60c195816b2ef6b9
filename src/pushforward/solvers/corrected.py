"""Steps followed by a redraw that keeps the marginal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import Cond, Gen, Path, Solver, State, Step, align, require, require_part
from pushforward.fields import Categorical
from pushforward.solvers.token_steps import require_mixture, said_of_data

__all__ = ["Corrected"]


@dataclass(frozen=True)
class Corrected:
    r"""A step of another solver to t, then at t a share of all positions is drawn afresh from their marginal.

    .. math:: \bar u = (1 + q_t)\, u - q_t\, \check u, \qquad
              \check u(y, x) = \frac{\kappa'_t}{\kappa_t} \big[\delta_{x^i}(y) - p_{\mathrm{src}}(y)\big], \qquad
              \mathrm P(\text{redraw}) = 1 - \exp\Big({-(t - s)}\, \frac{q_t\, \kappa'_t}{\kappa_t (1 - \kappa_t)}\Big),
              \qquad x^i \leftarrow x_1^i \text{ or noise, with } \kappa_t : 1 - \kappa_t, \quad
              x_1^i \sim p_\theta^i(\cdot \mid x)

    What u-bar does beyond u is to leave x at the rate q kappa' / (kappa (1 - kappa)) for a draw of p_t(. | x1)
    (derived: put both rates in, and the terms in delta_x cancel). So a redraw keeps p_t whatever its chance, for a
    single position exactly; positions redrawn together do not see each other, an error of the order of the chance
    squared. Errors of earlier steps are mended: shown symbols can be masked again. At t = 1, where nothing would move,
    it is left out. The source is drawn anew, so that no posterior of it is asked for, as by `Mixture.backward`.

    Source: Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595, corrector iteration.
        Differs: the paper adds both rates in one linear step of one evaluation; here the redraw is a move of its own,
        with evaluations of its own.

    Args:
        solver: The step that is corrected, such as `ExactJump(path)`.
        path: With the noise of its space as an independent source.
        strength: q_t >= 0, a number or times `[B]` to `[B]`, as `lambda t: 12 * t**2 * (1 - t) ** 0.25`.
        times: Redraws a step, which share its length.

    Raises: `Incompatible` for other paths; `InvalidInput` for numbers out of range.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(4))
        >>> Corrected(pf.solvers.ExactJump(path), path, strength=2.0).times
        1
    """

    solver: Solver
    path: Path
    strength: float | Callable[[Tensor], Tensor] = 1.0
    times: int = 1

    def __post_init__(self) -> None:
        require_part("Corrected.solver", self.solver, Solver, "a solver such as ExactJump(path)")
        require_mixture(self)
        require(self.times >= 1, f"Corrected.times is {self.times}, expected at least 1; leave the corrector out for 0")
        if not callable(self.strength):
            require(self.strength >= 0, f"Corrected.strength is {self.strength}, expected at least 0")

    @property
    def span(self) -> tuple[float, float] | None:
        """The times between which it may step; None where its solver leaves that to the field."""
        return getattr(self.solver, "span", None)

    def chance(self, s: Float[Tensor, " b"], t: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """The chance that one redraw at `t`, after a step from `s`, takes a position."""
        k, dk = require_mixture(self).kappa(t)
        q = self.strength(t) if callable(self.strength) else torch.full_like(t, self.strength)
        inside = (k > 0) & (k < 1)
        rate = torch.where(inside, q * dk / (k * (1 - k)), 0.0)
        return -torch.expm1(-(t - s).clamp_min(0.0) / self.times * rate)

    def redraw(
        self, dynamics: Any, x: State, t: Float[Tensor, " b"], chance: Float[Tensor, " b"], cond: Cond = None
    ) -> Categorical:
        """The law of the state after one redraw at `t`."""
        x, path = cast(Tensor, x), require_mixture(self)
        said = path.posterior(said_of_data(self, dynamics, x, t, cond).mean, x)
        k, c = align(path.kappa(t)[0], said), align(chance, said)
        fresh = k * said + (1 - k) * path.tokens.noise_probs(said)
        return Categorical(((1 - c) * one_hot(x, path.tokens.size) + c * fresh).log())

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
        """One step from `s` to `t`, and the redraws there."""
        step = self.solver.step(dynamics, x, s, t, cond, carry=carry, generator=generator)
        x, chance = step.x, self.chance(s, t)
        for _ in range(self.times):
            x = self.redraw(dynamics, x, t, chance, cond).sample(generator=generator)
        return Step(x, carry=step.carry)
