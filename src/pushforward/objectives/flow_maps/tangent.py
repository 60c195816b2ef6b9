"""The Eulerian rule: the derivative of the mean velocity along the flow."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, dual, jvp, like, map_state, require
from pushforward.objectives.flow_maps.local import Local, Target

__all__ = ["Tangent"]


@dataclass(frozen=True)
class Tangent:
    r"""MeanFlow's identity, with the derivative along the velocity.

    .. math:: T = \tilde v + r\,(t - s)\, \frac{d}{ds} F(x_s, s, t), \qquad
              \frac{d}{ds} F = \partial_s F + J_x F\, \tilde v

    With r = 1 the fixed point is the mean velocity, as u = v + (t - s) du/ds; T is affine in the velocity, so that the
    data's own may stand for the marginal one without bias. With r < 1 it is a Beta-weighted average of velocities
    along the way, v itself at r = 0.

    Source: Geng et al., Mean Flows for One-step Generative Modeling (2025), https://arxiv.org/abs/2505.13447 (time runs
        the other way there, and so the sign).

    Args:
        ratio: r in [0, 1].
        through: Share of the gradient that passes through the derivative, in [0, 1] (Modular MeanFlow's lambda). With
            the data's own velocity anything above 0 favours maps that contract: only 0 is unbiased.
        difference: Step of a central difference in s, at most; None takes the forward mode. Its two evaluations stay
            in [0, t] and are one batch. 5e-3 is a good one in float32.

    Raises: `InvalidInput` for numbers out of range.
    """

    ratio: float = 1.0
    through: float = 0.0
    difference: float | None = None

    def __post_init__(self) -> None:
        require(0 <= self.ratio <= 1, f"ratio is {self.ratio}, expected a number in [0, 1]")
        require(0 <= self.through <= 1, f"through is a share of the gradient, got {self.through}; choose one in [0, 1]")
        require(
            self.difference is None or self.difference > 0,
            f"difference is {self.difference}, expected a step > 0, or None for forward mode",
        )

    def __call__(self, local: Local, *, generator: Gen = None) -> Target:
        """T for every row."""
        v, gap, kept = local.v, self.ratio * (local.t - local.s), self.through
        said, slope = self.slope(local)

        def target(v: Tensor, d: Tensor) -> Tensor:
            d = d if kept == 1 else kept * d + (1 - kept) * d.detach() if kept else d.detach()
            return like(torch.addcmul(v, align(gap, d), d), v)

        return Target(map_state(target, v, slope), said=said)

    def slope(self, local: Local) -> tuple[State | None, State]:
        """F, where it comes for nothing, and dF/ds along the velocity."""
        s, t = local.s, local.t
        if self.difference is None:
            x, v = cast(Tensor, local.x), cast(Tensor, local.v)
            # attention's derivative in dual numbers cannot be differentiated again; that of `jvp` can
            forward = jvp if self.through else dual
            inputs, along = (x, s), (v.to(x.dtype), torch.ones_like(s))
            return forward(lambda x, s: cast(Tensor, local.mean(x, s, t)), inputs, along)
        ahead, behind = torch.minimum(s + self.difference, t), (s - self.difference).clamp_min(0.0)

        def moved(to: Tensor) -> State:
            return map_state(lambda p, v: like(torch.addcmul(p, align(to - s, v), v), p), local.x, local.v)

        with torch.set_grad_enabled(self.through > 0 and torch.is_grad_enabled()):
            both = local.twice(moved(ahead), ahead, moved(behind), behind)
        width = ahead - behind
        return None, map_state(lambda f, b: (f - b) / align(width, f), *both)
