"""Heun's method with additive noise."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, State, Step, map_state
from pushforward.solvers.increments import Brownian, combine, draw, require_noise

__all__ = ["StochasticHeun"]


@dataclass(frozen=True)
class StochasticHeun:
    r"""Heun's method for additive noise: weak order 2, strong order 1, two evaluations a step.

    .. math:: \tilde x &= x_s + h\, b(x_s, s) + g\,\Delta W, \qquad
              g^2 = \tfrac12\big(g(s)^2 + g(t)^2\big) = \epsilon_s + \epsilon_t \\
              x_t &= x_s + \tfrac h2\big(b(x_s, s) + b(\tilde x, t)\big) + g\,\Delta W

    Weak order 2, derived: with N the integral of g dW over the step, the moments that count are Var N, Cov(N, int N dr)
    and E int N^2 dr. The trapezoidal rule for g^2 gives the first with an error of h^3; in the average of both slopes
    :math:`\tfrac h2 b' g\Delta W` has the covariance :math:`\tfrac{h^2}2 b' g^2` with the noise, and
    :math:`\tfrac h4 b'' (g\Delta W)^2` the mean :math:`\tfrac{h^2}4 b'' g^2`, as the exact solution has up to h^3.
    On a given path the part of int N dr that is independent of Delta W is missed: strong order 1 (`SRA1` has it).

    The step is not Gaussian unless b is linear, so there is no `Step.law`. Without noise it is `Heun`.

    Source: the stochastic Heun method; Kloeden & Platen, Numerical Solution of Stochastic Differential Equations,
        section 15.1 (the trapezoidal weak scheme). Differs: the mean of g^2, not g(s), multiplies the noise.

    Args:
        brownian: Path of the noise, such as `BrownianPath(seed)`; None draws from the generator.

    Shapes: `x` `[B, *E]` or a mapping of such, `s`, `t` `[B]`; s > t is allowed, row by row.
    Raises: `Incompatible` for dynamics without `diffusion`.

    Example:
        >>> sde = pf.fields.FlowSDE(lambda x, t, cond: -x, eps=0.0, score=lambda x, t, cond: -x)
        >>> StochasticHeun().step(sde, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5])).x
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
        noise = draw(self.brownian, x, s, t, generator=generator).change
        g = (0.5 * (dynamics.diffusion(s).square() + dynamics.diffusion(t).square())).sqrt()
        first = dynamics(x, s, cond, direction=h.sign())
        second = dynamics(combine(x, (h, first), (g, noise)), t, cond, direction=h.sign())
        slopes = map_state(lambda p, q: p + q, first, second)
        return Step(combine(x, (0.5 * h, slopes), (g, noise)))
