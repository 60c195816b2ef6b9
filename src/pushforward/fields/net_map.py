"""A network of two times seen as a flow map."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, State, align, like, map_state

__all__ = ["NetMap", "segment_end"]


def segment_end(s: Float[Tensor, " b"], segments: int) -> Float[Tensor, " b"]:
    """Where the segment of [0, 1] ends in which s lies, of so many of equal length; 1 at s = 1."""
    return (((s * segments).floor() + 1) / segments).clamp_max(1.0)


@dataclass(frozen=True)
class NetMap:
    r"""A network that says the mean velocity between two times, seen as the flow map that it makes.

    .. math:: X_{s,t}(x) = x + (t - s)\, F_\theta(x, s, t), \qquad
              F(x, s, t) \approx \frac{1}{t - s} \int_s^t v(x_r, r)\, dr, \quad x_s = x

    On the diagonal F(x, t, t) is the velocity, so that solvers, likelihoods and guidance have a field, too.

    Source: Geng et al., Mean Flows for One-step Generative Modeling (2025), https://arxiv.org/abs/2505.13447; time runs
        from data to noise there.

    A network that has learned only ways to the ends T of segments, as those of consistency models, says

    .. math:: X_{s,t}(x) = x + (t - s)\, F_\theta(x, s, T(s)), \qquad T(s) = \frac{\lfloor K s \rfloor + 1}{K},

    exact at t = T and a straight line before it; it is never asked for other ends.

    Args:
        net: `net(x, times, cond)` with `times` `[B, 2]`, from and to: a network of `nets` built with `times=2`.
        segments: K, where only their ends were learned; None for any t.

    Shapes: `x` `[B, *E]`, `s` and `t` `[B]`; t < s goes back, if that was learned.

    Example:
        >>> jump = NetMap(lambda x, times, cond: -x)
        >>> jump(torch.ones(1, 1), torch.zeros(1), torch.ones(1))
        tensor([[0.]])
    """

    net: Any
    segments: int | None = None

    def mean_velocity(self, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """F(x, s, t), or F(x, s, T)."""
        end = t if self.segments is None else segment_end(s, self.segments)
        return self.net(x, torch.stack([s, end], 1), cond)

    def velocity(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """F(x, t, t), or F(x, t, T): a Field."""
        return self.mean_velocity(x, t, t, cond)

    def __call__(self, x: State, s: Float[Tensor, " b"], t: Float[Tensor, " b"], cond: Cond = None) -> State:
        """Where what is at `x` at time `s` will be at time `t`."""
        gap = t - s
        return map_state(lambda p, u: like(torch.addcmul(p, align(gap, u), u), p), x, self.mean_velocity(x, s, t, cond))
