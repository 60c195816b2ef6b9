"""Roessler's method of strong order 1.5 for additive noise."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, State, Step, map_state
from pushforward.solvers.increments import Brownian, combine, draw, require_noise

__all__ = ["SRA1"]


@dataclass(frozen=True)
class SRA1:
    r"""Roessler's SRA1 for additive noise: strong order 1.5, weak order 2, two evaluations a step.

    .. math:: \tilde x &= x_s + \tfrac34 h\, b(x_s, s) + \tfrac32 g(t)\, Z, \qquad
              Z = \frac1h \int_s^t (W_r - W_s)\, dr = \tfrac12 \Delta W + H \\
              x_t &= x_s + \tfrac h3\big(b(x_s, s) + 2\, b(\tilde x, s + \tfrac34 h)\big)
                    + g(t)(\Delta W - Z) + g(s)\, Z

    The last two terms are the integral of g dW for g linear in time. The mean of the path over the step needs the
    space-time Levy area H, which `BrownianPath` has and which is drawn otherwise. The step is not Gaussian unless b is
    linear (there the strong order is 2), so there is no `Step.law`. Without noise it is Ralston's second-order method
    with nodes 0 and 3/4.

    Source: Roessler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential equations
        (SIAM J. Numer. Anal. 2010), https://doi.org/10.1137/09076636X, the scheme SRA1; I_(1,0) there is h Z.

    Args:
        brownian: Path of the noise, such as `BrownianPath(seed)`; None draws from the generator.

    Shapes: `x` `[B, *E]` or a mapping of such, `s`, `t` `[B]`; s > t is allowed, row by row.
    Raises: `Incompatible` for dynamics without `diffusion`.

    Example:
        >>> sde = pf.fields.FlowSDE(lambda x, t, cond: -x, eps=0.0, score=lambda x, t, cond: -x)
        >>> SRA1().step(sde, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5])).x
        tensor([[0.6250]])
    """

    brownian: Brownian | None = None

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
        require_noise(self, dynamics)
        h = t - s
        noise = draw(self.brownian, x, s, t, generator=generator, area=True)
        mean = map_state(lambda w, a: torch.add(a, w, alpha=0.5), noise.change, noise.area)
        here, there = dynamics.diffusion(s), dynamics.diffusion(t)
        first = dynamics(x, s, cond, direction=h.sign())
        ahead = combine(x, (0.75 * h, first), (1.5 * there, mean))
        second = dynamics(ahead, s + 0.75 * h, cond, direction=h.sign())
        slopes = map_state(lambda p, q: torch.add(p, q, alpha=2), first, second)
        return Step(combine(x, (h / 3, slopes), (there, noise.change), (here - there, mean)))
