"""The method of Euler and Maruyama."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, State, Step
from pushforward.fields import Normal
from pushforward.solvers.increments import Brownian, combine, draw, require_noise

__all__ = ["EulerMaruyama"]


@dataclass(frozen=True)
class EulerMaruyama:
    r"""Euler-Maruyama: weak order 1 and, as the noise is additive, strong order 1; one evaluation a step.

    .. math:: x_t = x_s + h\, b(x_s, s) + g(s)\,\Delta W, \qquad h = t - s, \quad b = v \pm \epsilon s, \quad
              g = \sqrt{2\epsilon}

    The step is Gaussian given x_s: `Step.law` is its law, and `law` gives it without a draw.

    Source: Maruyama, Continuous Markov processes and stochastic equations (1955); orders as in Kloeden & Platen,
        Numerical Solution of Stochastic Differential Equations, chapters 10 and 14.

    Args:
        brownian: Path of the noise, such as `BrownianPath(seed)`; None draws from the generator.

    Shapes: `x` `[B, *E]` or a mapping of such, `s`, `t` `[B]`; s > t is allowed, row by row.
    Raises: `Incompatible` for dynamics without `diffusion`.

    Example:
        >>> sde = pf.fields.FlowSDE(lambda x, t, cond: 0 * x, eps=1.0, score=lambda x, t, cond: -x)
        >>> step = EulerMaruyama().step(sde, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5]))
        >>> step.law
        Normal(mean=tensor([[0.5000]]), std=tensor([1.0000]))
    """

    brownian: Brownian | None = None

    def law(self, dynamics: Any, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None) -> Normal:
        """The law of the state at `t` given `x` at `s`."""
        require_noise(self, dynamics)
        h = t - s
        drift = dynamics(x, s, cond, direction=h.sign())
        return Normal(combine(x, (h, drift)), dynamics.diffusion(s) * h.abs().sqrt())

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
        """One step from `s` to `t`, and its law."""
        law = self.law(dynamics, x, s, t, cond)
        noise = draw(self.brownian, x, s, t, generator=generator)
        return Step(combine(law.mean, (dynamics.diffusion(s), noise.change)), law)
