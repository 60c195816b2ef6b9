"""Probability vectors that a network can tell apart at all times."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, State, align, require, shapes

__all__ = ["SimplexInput"]


class SimplexInput(nn.Module):
    r"""A network that is told a probability vector twice, with weights that the clock moves from one to the other.

    .. math:: f\big([(1 - w)\, x,\ w\, x],\ t\big), \qquad w = \frac{2}{2 + c}, \quad c = c_1 t

    Source: the input of Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841, in the official code (there r / (alpha + r - 1), r = 2, alpha = 1 + c).

    Args:
        net: Takes `[B, *E, 2 K]`, as `TokenCNN(2 * K)` does for N positions; gives what is wanted of it.
        clock: c_1 >= 0, that of the path; at 0 only the second half speaks.

    Shapes: `x` `[B, *E, K]`, `t` `[B]`; gives what `net` gives, cut to the first K of the last axis.
    Raises: `InvalidInput` for a clock below 0, and for states that are no vectors.

    Example:
        >>> net = SimplexInput(pf.nets.MLP((4, 6)), 7.0)
        >>> net(torch.full((2, 4, 3), 1 / 3), torch.zeros(2)).shape
        torch.Size([2, 4, 3])
    """

    def __init__(self, net: nn.Module, clock: float = 7.0) -> None:
        super().__init__()
        require(0 <= clock < math.inf, f"SimplexInput got clock={clock}, expected that of the path, as 7")
        self.net, self.clock = net, clock

    def forward(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> Float[Tensor, "b *e k"]:
        """The network's answer."""
        require(isinstance(x, Tensor) and x.ndim >= 2, f"x has shape {shapes(x)}, expected probabilities [B, ..., K]")
        assert isinstance(x, Tensor)
        w = align(2 / (2 + self.clock * t), x).to(x.dtype)
        return self.net(torch.cat([(1 - w) * x, w * x], -1), t, cond)[..., : x.shape[-1]]
