"""The method of Euler and Maruyama."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, Space, State, Step, align, like, map_state, require
from pushforward.fields import Normal
from pushforward.solvers.increments import Brownian, combine, draw, require_noise
from pushforward.spaces import Euclidean

__all__ = ["EulerMaruyama"]


@dataclass(frozen=True)
class EulerMaruyama:
    r"""Euler-Maruyama: weak order 1 and, as the noise is additive, strong order 1; one evaluation a step.

    .. math:: x_t = x_s + h\, b(x_s, s) + g(s)\,\Delta W, \qquad h = t - s, \quad b = v \pm \epsilon s, \quad
              g = \sqrt{2\epsilon}

    The step is Gaussian given x_s: `Step.law` is its law, and `law` gives it without a draw.

    On other spaces it is the geodesic random walk, of weak order 1, with normal tangent vectors; its steps have no law:

    .. math:: x_t = \mathrm{move}\big(x_s,\ h\, b(x_s, s) + g(s) \sqrt h\, \xi\big), \qquad \xi \sim N(0, P_{x_s})

    Source: Maruyama, Continuous Markov processes and stochastic equations (1955); orders as in Kloeden & Platen,
        Numerical Solution of Stochastic Differential Equations, chapters 10 and 14; on manifolds De Bortoli et al.,
        Riemannian Score-Based Generative Modelling (NeurIPS 2022), https://arxiv.org/abs/2202.02763.

    Args:
        brownian: Path of the noise, such as `BrownianPath(seed)`; None draws from the generator.
        space: Where states live.

    Shapes: `x` `[B, *E]` or a mapping of such, `s`, `t` `[B]`; s > t is allowed, row by row.
    Raises: `Incompatible` for dynamics without `diffusion`, for a space without tangent noise, and at construction for
        a Brownian path, which has coordinates of flat space, on another one.

    Example:
        >>> sde = pf.fields.FlowSDE(lambda x, t, cond: 0 * x, eps=1.0, score=lambda x, t, cond: -x)
        >>> step = EulerMaruyama().step(sde, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5]))
        >>> step.law
        Normal(mean=tensor([[0.5000]]), std=tensor([1.0000]))
    """

    brownian: Brownian | None = None
    space: Space = field(default_factory=Euclidean)

    def __post_init__(self) -> None:
        require(
            self.brownian is None or self._flat,
            f"a Brownian path has the coordinates of flat space, and {type(self.space).__name__} has others; leave "
            "brownian out",
            Incompatible,
        )

    @property
    def _flat(self) -> bool:
        return isinstance(self.space, Euclidean)

    def law(self, dynamics: Any, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None) -> Normal:
        """The law of the state at `t` given `x` at `s`."""
        require(
            self._flat,
            f"a step on {type(self.space).__name__} has no Normal law; ask for it in flat space alone",
            Incompatible,
        )
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
        if not self._flat:
            return self._walk(dynamics, x, s, t, cond, generator=generator)
        law = self.law(dynamics, x, s, t, cond)
        noise = draw(self.brownian, x, s, t, generator=generator)
        return Step(combine(law.mean, (dynamics.diffusion(s), noise.change)), law)

    def _walk(self, dynamics: Any, x: State, s: Tensor, t: Tensor, cond: Cond, *, generator: Gen) -> Step:
        """A step of the geodesic random walk."""
        require_noise(self, dynamics)
        h, space = t - s, self._noisy
        drift = dynamics(x, s, cond, direction=h.sign())
        noise = space.tangent_noise(x, generator=generator)
        u = map_state(lambda p: like(align(h, p) * p, p), drift)
        u = combine(u, (dynamics.diffusion(s) * h.abs().sqrt(), noise))
        return Step(space.move(x, u, torch.ones_like(h)))

    @property
    def _noisy(self) -> Any:
        """The space, if it has tangent noise."""
        require(
            hasattr(self.space, "tangent_noise"),
            f"EulerMaruyama adds tangent noise, which {type(self.space).__name__} does not have; use a solver of flows "
            "such as Heun there",
            Incompatible,
        )
        return self.space
