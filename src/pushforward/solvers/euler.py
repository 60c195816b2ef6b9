"""Euler's method."""

from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Gen, Space, State, Step
from pushforward.spaces import Euclidean

__all__ = ["Euler"]


@dataclass(frozen=True)
class Euler:
    r"""Euler's method, order 1, one evaluation a step, on any space.

    .. math:: x_t = \mathrm{move}\big(x_s,\ v(x_s, s),\ t - s\big)

    On flat space that is x + (t - s) v; on a manifold the exponential; on tokens v holds rates and the move jumps.

    Args:
        space: Where states live; it moves them.

    Shapes: `x` `[B, *E]`, `s`, `t` `[B]`; s > t is allowed.

    Example:
        >>> Euler().step(lambda x, t, cond: -x, torch.ones(1, 1), torch.zeros(1), torch.tensor([0.5])).x
        tensor([[0.5000]])
    """

    space: Space = field(default_factory=Euclidean)

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
        return Step(self.space.move(x, dynamics(x, s, cond), t - s, generator=generator))
