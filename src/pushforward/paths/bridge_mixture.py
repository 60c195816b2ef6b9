"""Brownian bridges on curved spaces."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pushforward.core import (
    Gen,
    Incompatible,
    Pairs,
    Point,
    Space,
    State,
    align,
    leaves,
    like,
    map_state,
    require,
    require_part,
    time_dtype,
)
from pushforward.paths.linear_rate import LinearRate
from pushforward.paths.premetric import Distance, Premetric

__all__ = ["BridgeMixture"]

EDGE = 1e-4  # least time to an end that pulls are computed at


@dataclass(frozen=True)
class BridgeMixture:
    r"""Diffusions that drift along the logarithm to a data point, mixed over the data.

    .. math:: dX = c_t \log_X(x_1)\, dt + \sqrt{\beta_t}\, dB, \qquad
              c_t = \frac{\beta_t}{\int_t^1 \beta_s ds}, \qquad \bar c_t = \frac{\beta_t}{\int_0^t \beta_s ds}

    Run backwards from x1 it is pulled to x0 by :math:`\bar c_t \log_X(x_0)`. Given both ends the motion is the mean of
    the two ways to see it, which is what `velocity` gives; its mean given x_t is the probability flow
    :math:`v = \tfrac12 (\eta_f - \eta_b)` of the drifts :math:`\eta_f = c_t\, \mathrm E[\log_x x_1 | x_t = x]` and
    :math:`\eta_b = \bar c_t\, \mathrm E[\log_x x_0 | x_t = x]`, and :math:`\eta_f + \eta_b = \beta_t \nabla \log p_t`.
    The head `TwoWay` learns both. Without noise it is `Geodesic` with the clock of the rate; in flat space with a
    constant rate, the straight path with `Brownian` latent noise.

    A state is simulated, without gradients: from x0 before t = 1/2, from x1 after it, so that no pull is large on the
    way. Every step is that of a bridge in flat space, with B the integral of beta over what is left,

    .. math:: X \leftarrow \exp_X\!\Big(f \log_X z + \sqrt{f\,(1 - f)\,B}\; \xi\Big), \qquad
              f = 1 - B' / B, \quad \xi \sim N(0, P_X),

    exact there at any number of steps. On curved spaces x_t is distributed approximately, by the steps, and because
    bridges from the two sides are not quite the same law there.

    On a mesh, where there is no logarithm, a distance gives one: :math:`- d\, \nabla d / |\nabla d|^2`, as `Premetric`
    descends it (the paper's spectral bridges, with `SpectralDistance`).

    Source: Jo & Hwang, Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion Processes (ICML 2024),
        https://arxiv.org/abs/2310.07216. Differs: its geodesic random walk takes Euler's steps in t, which agree to
        first order, and whose law at 15 steps is off in flat space, too.

    Args:
        space: Where states live; has `tangent_noise`.
        rate: beta.
        distance: None for the geodesic one.
        steps: Of a simulation, >= 1.
        fastest: Longest way that a distance may ask for, as `Premetric` holds it.

    Shapes: anchors `[B, *E]`, `t` `[B]` in [0, 1]; `sample` and `velocity` give `[B, *E]`.
    Raises: `Incompatible` at construction for a space without tangent noise, or without a distance; `InvalidInput` for
        numbers out of their range.

    Example:
        >>> path = BridgeMixture(pf.spaces.Euclidean(), LinearRate(1.0, 1.0))
        >>> pairs = Pairs((torch.zeros(4000, 1), torch.ones(4000, 1)))
        >>> x = path.sample(pairs, torch.full((4000,), 0.5), generator=torch.Generator().manual_seed(0)).x
        >>> x.mean().round(decimals=1), x.std().round(decimals=1)
        (tensor(0.5000), tensor(0.5000))
    """

    space: Space
    rate: LinearRate = field(default_factory=LinearRate)
    distance: Distance | None = None
    steps: int = 15
    fastest: float | None = None

    def __post_init__(self) -> None:
        require(
            hasattr(self.space, "tangent_noise"),
            f"BridgeMixture adds tangent noise, which {type(self.space).__name__} does not have; use Geodesic or "
            "Premetric, which need none",
            Incompatible,
        )
        require_part("BridgeMixture.rate", self.rate, LinearRate, "a rate such as LinearRate(0.1, 0.0)")
        require(self.steps >= 1, f"steps is {self.steps}, expected at least 1")
        assert self._descent is not None  # refuses what no path descends

    @cached_property
    def _descent(self) -> Premetric:
        return Premetric(self.space, self.distance, fastest=self.fastest)

    def eps(self, t: Tensor) -> Tensor:
        """beta / 2 at times `[B]`: the noise level with which `FlowSDE` is the learned diffusion."""
        return self.rate(t) / 2

    def way(self, x: State, y: State) -> State:
        """The logarithm, or what stands for it: the whole way to y at the rate at which the distance falls."""
        leaf = leaves(x)[0]
        start = torch.zeros(len(leaf), dtype=time_dtype(leaf), device=leaf.device)
        return self._descent.velocity(Point(x, start, Pairs((x, y))))

    @torch.no_grad()
    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t, simulated from the nearer end."""
        early = t < 0.5
        choose = lambda a, b: map_state(lambda p, q: torch.where(align(early, p), p, q), a, b)
        x, goal = choose(pairs.x0, pairs.x1), choose(pairs.x1, pairs.x0)
        span = torch.where(early, t, 1 - t)
        left = lambda r: torch.where(early, self.rate.after(r), self.rate.before(1 - r))
        space: Any = self.space
        for k in range(self.steps):
            now, then = (left(span * j / self.steps) for j in (k, k + 1))
            share = 1 - then / now
            spread = (share * then).clamp_min(0).sqrt()
            noise = space.tangent_noise(x, generator=generator)
            u = _sum((share, self.way(x, goal)), (spread, noise))
            x = space.move(x, u, torch.ones_like(t))
        return Point(x, t, pairs)

    def drifts(self, point: Point) -> tuple[State, State]:
        """Both conditional drifts at a point: to x1 forwards, to x0 backwards; their limits near the ends."""
        t = point.t.clamp(EDGE, 1 - EDGE)
        beta = self.rate(t)
        ahead, back = self.way(point.x, point.pairs.x1), self.way(point.x, point.pairs.x0)
        return _sum((beta / self.rate.after(t), ahead)), _sum((beta / self.rate.before(t), back))

    def velocity(self, point: Point) -> State:
        """Half the difference of the drifts."""
        ahead, back = self.drifts(point)
        return map_state(lambda p, q: (p - q) / 2, ahead, back)


def _sum(*terms: tuple[Tensor, State]) -> State:
    """States times factors `[B]`."""
    (factor, first), *rest = terms
    total = map_state(lambda p: like(align(factor, p) * p, p), first)
    for factor, term in rest:
        total = map_state(lambda a, p: a + like(align(factor, p) * p, p), total, term)  # noqa: B023
    return total
