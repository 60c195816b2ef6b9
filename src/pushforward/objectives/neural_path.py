"""A conditional path that is learned: Gaussian, with a mean and a width that networks of data and time say."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, Gen, InvalidInput, Pairs, Point, align, jvp, require, same_shape, shapes
from pushforward.spaces import Euclidean

__all__ = ["NeuralPath"]


class _Nothing(nn.Module):
    """The network that says 0."""

    def forward(self, x1: Tensor, t: Tensor, cond: Cond = None) -> Tensor:
        return torch.zeros_like(x1)


class NeuralPath(nn.Module):
    r"""A learned forward process, affine in the noise x0 with coefficients that depend on data and time.

    .. math:: x_t = m_\phi(x_1, t) + s_\phi(x_1, t) \odot x_0, \qquad
              m = t\, x_1 + t (1 - t)\, \bar m_\phi(x_1, t), \qquad s = \delta^t\, e^{t (1 - t)\, \bar r_\phi(x_1, t)}

    so that it goes from x0 to x1 + delta x0 whatever the networks say. At fixed noise it moves with

    .. math:: f(x, t, x_1) = m' + \frac{s'}{s} \odot (x - m), \qquad \nabla \log q(x | x_1) = -\frac{x - m}{s^2}

    where the time derivatives are taken by forward mode.

    Source: Bartosh, Vetrov & Naesseth, Neural Flow Diffusion Models (NeurIPS 2024), https://arxiv.org/abs/2404.12940,
        the Gaussian forward process; time runs the other way there. The powers t and t (1 - t) are ours.

    Args:
        mean: `mean(x1, t, cond)`, mbar; with smooth activations, as its derivative in time is learned from.
        scale: `scale(x1, t, cond)`, rbar, likewise. `NeuralPath.plain(delta)` has neither: mean t x1, width delta^t.
        delta: Width at t = 1, in state units, in (0, 1).

    Shapes: anchors and states `[B, *E]`, `t` `[B]` in [0, 1]. x0 is standard normal.
    Raises: `InvalidInput` for a delta out of range, or ends of different shapes.

    Example:
        >>> path = NeuralPath.plain(0.01)
        >>> path.sample(Pairs((torch.ones(1, 2), torch.zeros(1, 2))), torch.tensor([0.5])).x
        tensor([[0.1000, 0.1000]])
    """

    def __init__(self, mean: nn.Module, scale: nn.Module, delta: float = 0.01) -> None:
        super().__init__()
        require(0 < delta < 1, f"delta is {delta}, expected a width in (0, 1), such as 0.01")
        self.mean = mean
        self.scale = scale
        self.delta = delta

    @classmethod
    def plain(cls, delta: float = 0.01) -> "NeuralPath":
        """The process without networks."""
        return cls(_Nothing(), _Nothing(), delta)

    @property
    def space(self) -> Euclidean:
        """Flat."""
        return Euclidean()

    def law(
        self, x1: Float[Tensor, "b *e"], t: Float[Tensor, " b"], cond: Cond = None
    ) -> tuple[Float[Tensor, "b *e"], Float[Tensor, "b *e"]]:
        """Mean and logarithm of the standard deviation of x_t given x1."""
        a = align(t, x1)
        bend = a * (1 - a)
        mean = a * x1 + bend * self.mean(x1, t, cond)
        return mean, a * math.log(self.delta) + bend * self.scale(x1, t, cond)

    def motion(
        self, x: Float[Tensor, "b *e"], t: Float[Tensor, " b"], x1: Float[Tensor, "b *e"], cond: Cond = None
    ) -> tuple[Float[Tensor, "b *e"], Float[Tensor, "b *e"]]:
        """The motion f at fixed noise, and the score of x_t given x1, at `x`."""
        # inside another derivative (densities) silu knows forward mode only by the formulas of grad mode; what is
        # returned is made outside, and has no graph where the caller wants none
        with torch.enable_grad():
            (mean, log_std), (d_mean, d_log_std) = jvp(lambda t: self.law(x1, t, cond), (t,), (torch.ones_like(t),))
        gap = x - mean
        return d_mean + d_log_std * gap, -gap * (-2 * log_std).exp()

    def sample(self, pairs: Pairs, t: Float[Tensor, " b"], *, generator: Gen = None) -> Point:
        """x_t given both ends; nothing is drawn."""
        x0, x1 = pairs.x0, pairs.x1
        if not (isinstance(x0, Tensor) and isinstance(x1, Tensor) and same_shape(x0, x1)):
            raise InvalidInput(f"x0 has shape {shapes(x0)} and x1 has {shapes(x1)}; expected two tensors of one shape")
        mean, log_std = self.law(x1, t, pairs.cond)
        return Point(mean + log_std.exp() * x0, t, pairs)

    def velocity(self, point: Point) -> Tensor:
        """Motion at fixed noise at a drawn point."""
        x, x1 = point.x, point.pairs.x1
        assert isinstance(x, Tensor)
        assert isinstance(x1, Tensor)
        return self.motion(x, point.t, x1, point.pairs.cond)[0]
