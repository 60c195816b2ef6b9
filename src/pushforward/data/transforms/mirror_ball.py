"""The mirror map of a ball."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Gen, require
from pushforward.data.transforms.mirror_box import nearest, require_power, slack_floor
from pushforward.spaces import Ball
from pushforward.spaces.ball import length

__all__ = ["MirrorBall"]

ROUNDS = 24


class MirrorBall(nn.Module):
    r"""`MirrorBox` for the ball |x| < R: the gradient of its regularised barrier, along the ray.

    .. math:: y = \big(1 + 2 (R^2 - |x|^2)^{-\kappa}\big)\, x, \qquad -\phi(x) = R^2 - |x|^2

    Source: Guan, Balasubramanian & Ma, Mirror Flow Matching with Heavy-Tailed Priors for Generative Modeling on Convex
        Domains (ICLR 2026), https://arxiv.org/abs/2510.08929; the inverse as in `MirrorBox`, for the distance to the
        wall along the ray (derived).

    Args:
        radius: R > 0.
        power: kappa in (0, 1].

    Shapes: points are the last event axis.
    Raises: `InvalidInput` for a radius or a power out of range.

    Example:
        >>> mirror = MirrorBall(5.0)
        >>> mirror.inverse(mirror.forward(torch.tensor([[3.0, 3.9]])))
        tensor([[3.0000, 3.9000]])
    """

    def __init__(self, radius: float, power: float = 0.3) -> None:
        super().__init__()
        require(0 < radius < math.inf, f"MirrorBall has radius {radius}, expected a positive, finite number")
        require_power(self, power)
        self.radius, self.power = radius, power

    def _slack(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r = x.norm(dim=-1, keepdim=True)
        return r, ((self.radius - r) * (self.radius + r)).clamp_min(slack_floor(x) * self.radius**2)

    def forward(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, "b *e"]:
        """The gradient; data at the wall are taken as a rounding error inside."""
        _, slack = self._slack(x)
        return x * (1 + 2 * slack.pow(-self.power))

    def inverse(self, y: Float[Tensor, "b *e"]) -> Float[Tensor, "b *e"]:
        """Back into the ball."""
        k, R = self.power, self.radius
        q = length(y)
        tiny = torch.finfo(y.dtype).tiny
        # two radii that are not below the answer: the first where q is small, the second, from R s^-k <= q, beyond R/2
        first = R - q / (1 + 2 * R ** (-2 * k))
        s = (R / q.clamp_min(tiny)).pow(1 / k)
        second = s / (R + (R * R - s).clamp_min(0).sqrt())
        gap = torch.where(s <= 0.75 * R * R, torch.maximum(first, second), first)
        least = R * nearest(y, k)
        gap = gap.clamp_min(least)
        for _ in range(ROUNDS):
            r, slack = R - gap, gap * (2 * R - gap)
            factor = 1 + 2 * slack.pow(-k)
            slope = factor + 4 * k * r.square() * slack.pow(-k - 1)
            gap = (gap + (r * factor - q) / slope).clamp(least, R)
        found = Ball(R).project(y * ((R - gap) / q.clamp_min(tiny)))
        assert isinstance(found, Tensor)
        return found

    def log_det(self, x: Float[Tensor, "b *e"], *, generator: Gen = None) -> Float[Tensor, " b"]:
        """Of the Hessian of the barrier: one number along the ray, and the same d - 1 times across."""
        r, slack = self._slack(x)
        k = self.power
        across = 1 + 2 * slack.pow(-k)
        along = across + 4 * k * r.square() * slack.pow(-k - 1)
        return (along.log() + (x.shape[-1] - 1) * across.log()).flatten(1).sum(1)
