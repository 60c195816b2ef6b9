"""Descent of a distance to the target: conditional paths where geodesics are not at hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import (
    Gen,
    Incompatible,
    Pairs,
    Point,
    Schedule,
    Smooth,
    Space,
    State,
    align,
    dot,
    leaves,
    like,
    map_state,
    require,
    require_part,
)
from pushforward.paths.schedules import CondOT

__all__ = ["Distance", "Premetric"]

TINY = 1e-20  # keeps 0/0 at the target from becoming NaN
NEAR = 1e-5  # least kappa that is divided by: the reference code's gap before the end


@runtime_checkable
class Distance(Protocol):
    """Rows x, y to distances `[B]`; 0 only where they meet. Its gradient is autograd's unless it has a `towards`.

    `towards(y)` gives a function from x to the distance `[B]` and its gradient in x, so that what belongs to y is
    computed once.
    """

    def __call__(self, x: State, y: State) -> Tensor:
        """Distance of every row, `[B]`."""
        ...


Look = Callable[[State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Premetric:
    r"""The path that descends a distance to x1 straight, at the pace that empties it at t = 1.

    .. math:: u_t(x | x_1) = \frac{\kappa'_t}{\kappa_t}\, \frac{d(x, x_1)\, \nabla_x d(x, x_1)}{|\nabla_x d(x, x_1)|^2},
              \qquad \kappa_t = 1 - \alpha_t, \qquad \text{so that } d(x_t, x_1) = \kappa_t\, d(x_0, x_1)

    Any distance with a gradient will do. The geodesic one (`distance=None`) gives the geodesic path,
    :math:`u = -\tfrac{\kappa'}{\kappa} \log_x x_1`.

    A state has no closed form. It is simulated from x0, without gradients, by steps in kappa,

    .. math:: x \leftarrow \mathrm{move}\Big(x,\ -\frac{d\, \nabla d}{\kappa |\nabla d|^2},\ \kappa - \kappa'\Big),

    which are of first order in general, exact for the geodesic distance, and made again from where x is: what a step
    loses the next ones make up for. `along` gives the states at many times of one simulation, which
    `FlowMatching(path, states=K)` learns from all together: B rows cost B simulations, not B K.

    Where a distance is largest its gradient vanishes, and u is infinite. The speed |dx / dkappa|, for the geodesic
    distance the length of the whole way, is therefore held below `fastest`; rows that are late then catch up. A row
    that meets another point of rest stays behind: look at d(x_t, x1) / d(x0, x1) beside kappa.

    Source: Chen & Lipman, Flow Matching on General Geometries (ICLR 2024), https://arxiv.org/abs/2302.03660. Differs:
        the reference code moves by d(x0, x1) at every step, which keeps what a step loses, and bounds only |grad d|^2
        from below, by 1e-20. (Its field for kappa = 1 - t is the one here along the exact path.)

    Args:
        space: Where states live; has `tangent` and `move`.
        distance: `distance(x, y)` `[B]`, perhaps with `towards`; None for the geodesic one of a space with `log`.
        schedule: Times to alpha; alpha rises from 0 to 1.
        steps: Of a simulation over the whole of [0, 1], >= 1.
        fastest: Largest speed dx / dkappa, > 0; None takes five times the space's own `reach` where it has one, and
            no bound elsewhere.

    Shapes: anchors `[B, *E]`, `t` `[B]` in [0, 1]; `sample` and `velocity` give `[B, *E]`.
    Raises: `Incompatible` at construction for no distance on a space without logarithm, and for parts of another kind;
        `InvalidInput` for numbers out of their range.

    Example:
        >>> path = Premetric(pf.spaces.Euclidean(), lambda x, y: (x - y).norm(dim=1))
        >>> path.sample(Pairs((torch.zeros(1, 2), torch.ones(1, 2))), torch.tensor([0.25])).x
        tensor([[0.2500, 0.2500]])
    """

    space: Space
    distance: Distance | None = None
    schedule: Schedule = field(default_factory=CondOT)
    steps: int = 100
    fastest: float | None = None

    def __post_init__(self) -> None:
        require_part("Premetric.space", self.space, Space, "a space such as Mesh(vertices, faces)")
        require(
            hasattr(self.space, "tangent"),
            f"Premetric descends gradients, which {type(self.space).__name__} does not have; choose a smooth space",
            Incompatible,
        )
        require(
            self.distance is not None or isinstance(self.space, Smooth),
            f"{type(self.space).__name__} has no logarithm and so no geodesic distance; give one, as "
            "SpectralDistance(mesh)",
            Incompatible,
        )
        if self.distance is not None:
            require_part("Premetric.distance", self.distance, Distance, "a function of x and y, or None")
            mesh = getattr(self.distance, "mesh", self.space)
            require(
                mesh is self.space, "Premetric.distance is of another mesh than the space; give both one", Incompatible
            )
        require_part(
            "Premetric.schedule", self.schedule, Schedule, "times to alpha, sigma and derivatives, as CondOT()"
        )
        require(self.steps >= 1, f"steps is {self.steps}, expected at least 1")
        require(self.fastest is None or self.fastest > 0, f"fastest is {self.fastest}, expected a speed > 0 or None")

    def sample(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """x_t, simulated from x0 in `steps` steps to the row's own time."""
        return Point(self._march(pairs, [t])[0], t, pairs)

    def along(self, pairs: Pairs, t: Tensor, *, generator: Gen = None) -> Point:
        """States of one simulation at all times `t` `[B, K]`, increasing in each row, as B K rows, pair by pair."""
        states = self._march(pairs, list(t.unbind(1)))
        x = map_state(lambda *parts: torch.stack(parts, 1).flatten(0, 1), *states)
        return Point(x, t.flatten(), pairs.map(lambda leaf: leaf.repeat_interleave(t.shape[1], 0)))

    def velocity(self, point: Point) -> State:
        """u at a point; its limit where kappa is 0."""
        c = self.schedule(point.t)
        u = self._pace(self._look(point.pairs.x1), point.x, 1 - c.alpha)
        return map_state(lambda leaf: like(align(c.d_alpha, leaf) * leaf, leaf), u)

    @torch.no_grad()
    def _march(self, pairs: Pairs, times: list[Tensor]) -> list[State]:
        look, x, states = self._look(pairs.x1), pairs.x0, []
        parts = -(-self.steps // len(times))
        kappa = lambda t: 1 - self.schedule(t).alpha
        for s, t in pairwise([torch.zeros_like(times[0]), *times]):
            for k in range(parts):
                now, then = (kappa(s + (t - s) * j / parts) for j in (k, k + 1))
                x = self.space.move(x, self._pace(look, x, now), now - then)
            states.append(x)
        return states

    def _pace(self, look: Look, x: State, kappa: Tensor) -> State:
        """- dx / dkappa: what would empty the distance evenly until kappa is 0, no faster than `fastest`."""
        kappa = kappa.clamp_min(NEAR)
        if self.distance is None:
            return map_state(lambda leaf: leaf / align(kappa, leaf), look(x)[1])
        with torch.no_grad():
            d, slope = look(x)
            square = self._space.inner(x, slope, slope) if hasattr(self.space, "inner") else dot(slope, slope)
            pull = d / (kappa * square.clamp_min(TINY))
            if self._fastest is not None:
                pull = torch.minimum(pull, self._fastest / square.sqrt().clamp_min(TINY))
            return map_state(lambda leaf: -align(pull, leaf) * leaf, slope)

    @property
    def _space(self) -> Any:
        return self.space

    @property
    def _fastest(self) -> float | None:
        reach = getattr(self.space, "reach", None)
        return self.fastest if self.fastest is not None or reach is None else 5 * reach

    def _look(self, y: State) -> Look:
        if self.distance is None:
            return lambda x: (torch.empty(0), self._space.log(x, y))
        own = getattr(self.distance, "towards", None)
        return self._by_autograd(y) if own is None else own(y)

    def _by_autograd(self, y: State) -> Look:
        distance = cast(Distance, self.distance)

        def look(x: State) -> tuple[Tensor, State]:
            with torch.enable_grad():
                x = map_state(lambda leaf: leaf.detach().requires_grad_(), x)
                d = distance(x, y)
                slopes = iter(torch.autograd.grad(d.sum(), leaves(x)))
            x = map_state(torch.Tensor.detach, x)
            return d.detach(), self._space.tangent(x, map_state(lambda _: next(slopes), x))

        return look
