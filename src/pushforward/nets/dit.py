"""A transformer over the patches of an image."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, require
from pushforward.nets.embeddings import Context
from pushforward.nets.inputs import check_events, check_sizes, widened
from pushforward.nets.layers import SelfAttention, modulate, zeroed

__all__ = ["DiT"]


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = zeroed(nn.Linear(width, 6 * width))

    def forward(self, h: Tensor, context: Tensor) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(context)[:, None].chunk(6, dim=-1)
        h = h + gate * self.attention(modulate(h, shift, scale))
        return h + mlp_gate * self.mlp(modulate(h, mlp_shift, mlp_scale))


class DiT(nn.Module):
    r"""Transformer blocks with adaptive normalisation over image patches (adaLN-Zero).

    .. math:: h \leftarrow h + g_1 \odot \mathrm{Attention}(\mathrm{LN}(h) \odot (1 + s_1) + b_1), \qquad
              h \leftarrow h + g_2 \odot \mathrm{MLP}(\mathrm{LN}(h) \odot (1 + s_2) + b_2)

    with (b, s, g) linear in the embedding of time and condition, zero at the start as is the last layer.

    Source: Peebles & Xie, Scalable Diffusion Models with Transformers (ICCV 2023),
        https://arxiv.org/abs/2212.09748. Differs: positions are learned, and the head predicts no variance.

    Args:
        shape: Event shape (channels, height, width).
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        times: 1, or 2 for flow maps: the network is told from when to when, and says the mean velocity between.
        outputs: Quantities that the head asks for, side by side on the first event axis.
        patch: Side of a patch in pixels; divides height and width.
        width: Size of a token.
        depth: Number of blocks.
        heads: Attention heads; divides `width`.

    Shapes: `x` `[B, C, H, W]`, `t` `[B]` (`[B, 2]` with two times); gives `[B, outputs C, H, W]`.
    Raises: `InvalidInput` for events that are not images or not cut evenly by `patch`, sizes below 1, and states of
        another shape.

    Example:
        >>> DiT((1, 8, 8), width=32, depth=1)(torch.zeros(2, 1, 8, 8), torch.zeros(2)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        times: int = 1,
        outputs: int = 1,
        patch: int = 2,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.shape = check_sizes(
            "DiT", shape, outputs=outputs, times=times, patch=patch, width=width, depth=depth, heads=heads
        )
        self.answer = widened(self.shape, outputs)
        self.times = times
        require(len(self.shape) == 3, f"DiT got shape={list(shape)}, expected [channels, height, width]")
        channels, height, length = self.shape
        require(
            height % patch == 0 and length % patch == 0,
            f"DiT got images of {height} x {length} pixels and patch={patch}, expected patch to divide both sides",
        )
        require(width % heads == 0, f"DiT got width={width} and heads={heads}, expected heads to divide width")
        self.patch = patch
        self.context = Context(width, classes=classes, features=features, times=times)
        self.first = nn.Linear(channels * patch**2, width)
        self.positions = nn.Parameter(0.02 * torch.randn(height // patch * (length // patch), width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, outputs * channels * patch**2))

    def forward(
        self, x: Float[Tensor, "b c h w"], t: Float[Tensor, "b *times"], cond: Cond = None
    ) -> Float[Tensor, "b a h w"]:
        """The network's answer."""
        check_events(x, t, self.shape, self.times)
        context = self.context(t, cond)
        h = self.first(self._cut(x)) + self.positions
        for block in self.blocks:
            h = block(h, context)
        shift, scale = self.modulation(context)[:, None].chunk(2, dim=-1)
        return self._join(self.last(modulate(h, shift, scale)))

    def _cut(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` to patches `[B, N, C p p]`."""
        p = self.patch
        pieces = x.unflatten(3, (-1, p)).unflatten(2, (-1, p))  # [B, C, H/p, p, W/p, p]
        return pieces.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def _join(self, patches: Tensor) -> Tensor:
        """The inverse of `_cut`."""
        (c, h, w), p = self.answer, self.patch
        pieces = patches.unflatten(1, (h // p, w // p)).unflatten(3, (c, p, p))  # [B, H/p, W/p, C, p, p]
        return pieces.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
