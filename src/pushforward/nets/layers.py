"""Layers that several networks share."""

from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad

__all__ = ["SelfAttention", "layer_norm", "modulate", "zeroed"]

Layer = TypeVar("Layer", bound=nn.Module)


def zeroed(layer: Layer) -> Layer:
    """`layer` with all its parameters at zero: a residual branch or a head that starts by saying nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def layer_norm(h: Tensor) -> Tensor:
    """Rows of the last axis with mean 0 and variance 1, differentiable any number of times in any mode.

    torch's fused kernel is right in reverse mode, but its forward mode keeps mean and variance as constants, so that
    differentiating a `jvp` once more is silently wrong (https://github.com/pytorch/pytorch/issues/196700).
    """
    if forward_ad.unpack_dual(h).tangent is None:
        return nn.functional.layer_norm(h, h.shape[-1:])
    variance, mean = torch.var_mean(h, -1, correction=0, keepdim=True)
    return (h - mean) * torch.rsqrt(variance + 1e-5)


def modulate(h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Adaptive layer norm: LN(h) (1 + scale) + shift."""
    return layer_norm(h) * (1 + scale) + shift


class SelfAttention(nn.Module):
    r"""Multi-head self-attention through torch's fused kernels.

    .. math:: W_o\,\mathrm{softmax}\big(Q K^\top / \sqrt{d}\big)\,V, \qquad (Q, K, V) = W h

    The kernel is torch's choice; `core.jvp` switches to the one that has a forward mode.

    Source: Vaswani et al., Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762.

    Args:
        width: Size of a token.
        heads: Number of heads; divides `width`.

    Shapes: `[B, N, width]` to `[B, N, width]`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, h: Float[Tensor, "b n width"]) -> Float[Tensor, "b n width"]:
        """Every token's mixture of all tokens."""
        q, k, v = self.inward(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        return self.outward(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
