"""Two networks, an initial velocity and an acceleration, seen as a flow map."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Incompatible, InvalidInput, State, align, like, map_state, require, shapes
from pushforward.fields.stacked import stack

__all__ = ["Accelerated"]


@dataclass(frozen=True)
class Accelerated:
    r"""Motion with constant acceleration, along the trajectory on which a state is.

    .. math:: X_{s,t}(x) = x + (t - s)\, v_0 + \tfrac12 (t^2 - s^2)\, A(x, s, v_0), \qquad v_0 = V(x, s)

    V says with which velocity the trajectory through x at s left the source, A the acceleration that it has, told
    :math:`v_0`. Exact networks of such motions make this the exact map, forwards and backwards. `velocity` is the
    motion at one time, :math:`V(x, t) + t\, A(x, t, V(x, t))`, for whatever follows a field.

    Source: Park et al., Constant Acceleration Flow (NeurIPS 2024), https://arxiv.org/abs/2411.00322. As a flow map it
        asks V again at every step; the paper's sampler, which keeps its first answer, is
        `solvers.ConstantAcceleration`.

    Args:
        net: With `velocity(x, t, cond)` and `acceleration(y, t, cond)`, y the state and the initial velocity side by
            side: a `nets.MotionNet`.

    Shapes: `x` `[B, *E]`, `s` and `t` `[B]`.
    Raises: `Incompatible` at construction for a net without these two; `InvalidInput` for answers of another shape.

    Example:
        >>> net = pf.nets.MotionNet(pf.nets.MLP((2,)), pf.nets.MLP((4,)))
        >>> Accelerated(net)(torch.zeros(5, 2), torch.zeros(5), torch.ones(5)).shape
        torch.Size([5, 2])
    """

    net: Any

    def __post_init__(self) -> None:
        both = all(callable(getattr(self.net, name, None)) for name in ("velocity", "acceleration"))
        require(
            both,
            f"constant acceleration takes two networks, {type(self.net).__name__} is one; give "
            "nets.MotionNet(velocity, acceleration)",
            Incompatible,
        )

    def start(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """V(x, t), the velocity that the trajectory through `x` had at its source."""
        return self.net.velocity(x, t, cond)

    def acceleration(self, x: State, t: Float[Tensor, " b"], v0: State, cond: Cond = None) -> State:
        """A(x, t, v0)."""
        said = self.net.acceleration(stack(x, v0), t, cond)

        def half(a: Tensor, p: Tensor) -> Tensor:
            a = a[:, : 1 if p.ndim == 1 else p.shape[1]]
            if a.numel() != p.numel():
                raise InvalidInput(
                    f"the acceleration is {shapes(said)} for states {shapes(x)}; let the net answer alike"
                )
            return a.reshape(p.shape)

        return map_state(half, said, x)

    def velocity(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """The motion at `t`: a Field."""
        v0 = self.start(x, t, cond)
        return map_state(lambda v, a: like(v + align(t, a) * a, v), v0, self.acceleration(x, t, v0, cond))

    def __call__(
        self,
        x: State,
        s: Float[Tensor, " b"],
        t: Float[Tensor, " b"],
        cond: Cond = None,
        *,
        v0: State | None = None,
    ) -> State:
        """Where what is at `x` at time `s` will be at time `t`; `v0` where it is known."""
        v0 = self.start(x, s, cond) if v0 is None else v0
        gap, bend = t - s, (t * t - s * s) / 2

        def moved(p: Tensor, v: Tensor, a: Tensor) -> Tensor:
            return like(p + align(gap, v) * v + align(bend, a) * a, p)

        return map_state(moved, x, v0, self.acceleration(x, s, v0, cond))
