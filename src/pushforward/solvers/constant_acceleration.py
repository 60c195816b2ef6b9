"""Steps of a constant acceleration from one initial velocity."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Incompatible, State, Step, require

__all__ = ["ConstantAcceleration"]


@dataclass(frozen=True)
class ConstantAcceleration:
    r"""The initial velocity is asked for once, the acceleration at every step.

    .. math:: x_t = x_s + (t - s)\, v_0 + \tfrac12 (t^2 - s^2)\, A(x_s, s, v_0), \qquad v_0 = V(x, s_0)

    with s_0 the first time: 0 to sample, 1 to invert. N steps cost N + 1 networks, of which `Solution.nfe` counts the
    N of the acceleration. One step is a jump of the flow map.

    Source: Park et al., Constant Acceleration Flow (NeurIPS 2024), https://arxiv.org/abs/2411.00322, its sampler and
        its inversion, which are one formula here.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`.
    Raises: `Incompatible` for dynamics without an initial velocity.

    Example:
        >>> map = pf.fields.Accelerated(pf.nets.MotionNet(pf.nets.MLP((2,)), pf.nets.MLP((4,))))
        >>> pf.solve(map, torch.zeros(5, 2), [0.0, 0.5, 1.0], solver=ConstantAcceleration()).nfe
        2
    """

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
        """From `s` to `t`; `dynamics` is a `fields.Accelerated`, `carry` the initial velocity."""
        require(
            hasattr(dynamics, "start"),
            "ConstantAcceleration follows a fields.Accelerated, which knows initial velocities; use another solver, "
            "such as Euler, for a field",
            Incompatible,
        )
        v0 = dynamics.start(x, s, cond) if carry is None else carry
        return Step(dynamics(x, s, t, cond, v0=v0), carry=v0)
