"""A convolutional network with skips, for small images."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, align, require
from pushforward.nets.embeddings import Context
from pushforward.nets.inputs import check_events, check_sizes
from pushforward.nets.layers import SelfAttention, zeroed

__all__ = ["UNet"]


def _norm(channels: int) -> nn.GroupNorm:
    # at least two channels a group: an image may shrink to one pixel, and one number has no variance
    return nn.GroupNorm(max(1, math.gcd(16, channels) // 2), channels)


class _Residual(nn.Module):
    """Two convolutions and a skip; the context scales and shifts between them (FiLM)."""

    def __init__(self, inner: int, outer: int, context: int) -> None:
        super().__init__()
        self.norm, self.conv = _norm(inner), nn.Conv2d(inner, outer, 3, padding=1)
        self.film = nn.Linear(context, 2 * outer)
        self.last_norm, self.last_conv = _norm(outer), zeroed(nn.Conv2d(outer, outer, 3, padding=1))
        self.skip = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.last_norm(self.conv(nn.functional.silu(self.norm(x))))
        scale, shift = self.film(context).chunk(2, dim=1)
        h = h * (1 + align(scale, h)) + align(shift, h)
        return self.skip(x) + self.last_conv(nn.functional.silu(h))


class _Attention(nn.Module):
    """Attention between pixels, as a residual branch that starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.attention = SelfAttention(channels, channels // 32 if channels % 32 == 0 else 1)
        zeroed(self.attention.outward)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.attention(tokens).transpose(1, 2).reshape(x.shape)


class _Stage(nn.Module):
    """A residual block, and attention where the image is small enough."""

    def __init__(self, inner: int, outer: int, context: int, attend: bool) -> None:
        super().__init__()
        self.residual = _Residual(inner, outer, context)
        self.attention = _Attention(outer) if attend else nn.Identity()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.attention(self.residual(x, context))


class UNet(nn.Module):
    """Residual convolutions at several resolutions, joined by skips.

    Sides need not be even: a level has `ceil(side / 2)` of the one above (28, 14, 7, 4), and on the way up the image
    takes the size of the skip that it meets. Attention runs where no side exceeds `attention` pixels, whatever the
    size of the input. Blocks, attention and the last layer start at zero.

    Source: Ronneberger et al., U-Net (2015), https://arxiv.org/abs/1505.04597, with the residual blocks of Dhariwal &
        Nichol, Diffusion Models Beat GANs on Image Synthesis (NeurIPS 2021), https://arxiv.org/abs/2105.05233.

    Args:
        shape: Event shape (channels, height, width); 8 to 64 pixels are what it is made for.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        times: 1, or 2 for flow maps: the network is told from when to when, and says the mean velocity between.
        outputs: Quantities that the head asks for, side by side on the first event axis.
        width: Channels of the finest level.
        multipliers: Channels of every level, in units of `width`; its length is the number of levels.
        blocks: Residual blocks of a level, on the way down and again on the way up.
        attention: Longest side, in pixels, at which attention runs; 0 for none.

    Shapes: `x` `[B, C, H, W]`, `t` `[B]` (`[B, 2]` with two times); gives `[B, outputs C, H, W]`.
    Raises: `InvalidInput` for events that are not images, sizes below 1 and states of another shape.

    Example:
        >>> UNet((1, 28, 28), width=8)(torch.zeros(2, 1, 28, 28), torch.zeros(2)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        times: int = 1,
        outputs: int = 1,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        attention: int = 8,
    ) -> None:
        super().__init__()
        self.shape = check_sizes(
            "UNet", shape, outputs=outputs, times=times, width=width, blocks=blocks, levels=len(multipliers)
        )
        self.times = times
        require(len(self.shape) == 3, f"UNet got shape={list(shape)}, expected [channels, height, width]")
        require(min(multipliers) >= 1, f"UNet got multipliers={list(multipliers)}, expected each to be at least 1")
        channels, height, length = self.shape
        embedding = 4 * width
        self.context = Context(embedding, classes=classes, features=features, times=times)

        levels = [width * m for m in multipliers]
        sides = [math.ceil(max(height, length) / 2**k) for k in range(len(levels))]
        self.first = nn.Conv2d(channels, levels[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for size, side in zip(levels, sides, strict=True):
            attend = side <= attention
            self.down.append(nn.ModuleList(_Stage(size, size, embedding, attend) for _ in range(blocks)))
            self.up.append(nn.ModuleList(_Stage(2 * size, size, embedding, attend) for _ in range(blocks)))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(levels))
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(levels))
        self.middle = _Stage(levels[-1], levels[-1], embedding, sides[-1] <= attention)
        self.last_norm, self.last = _norm(levels[0]), zeroed(nn.Conv2d(levels[0], outputs * channels, 3, padding=1))

    def forward(
        self, x: Float[Tensor, "b c h w"], t: Float[Tensor, "b *times"], cond: Cond = None
    ) -> Float[Tensor, "b a h w"]:
        """The network's answer."""
        check_events(x, t, self.shape, self.times)
        context = self.context(t, cond)
        h = self.first(x)
        skips: list[Tensor] = []
        for k, stages in enumerate(self.down):
            h = self.shrink[k - 1](h) if k else h
            for stage in stages:  # pyright: ignore[reportGeneralTypeIssues]
                h = stage(h, context)
                skips.append(h)
        h = self.middle(h, context)
        for k in reversed(range(len(self.up))):
            for stage in self.up[k]:  # pyright: ignore[reportGeneralTypeIssues]
                h = stage(torch.cat([h, skips.pop()], 1), context)
            if k:
                h = self.grow[k - 1](nn.functional.interpolate(h, size=skips[-1].shape[-2:]))
        return self.last(nn.functional.silu(self.last_norm(h)))
