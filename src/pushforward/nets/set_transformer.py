"""A transformer over sets of elements."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, InvalidInput, State, require, shapes
from pushforward.nets.embeddings import Context
from pushforward.nets.layers import modulate, zeroed

__all__ = ["SetTransformer"]

_FAR = -1e4  # what keeps attention from absent elements; finite, so that a set of none gives no NaN


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = zeroed(nn.Linear(width, 6 * width))

    def forward(self, h: Tensor, context: Tensor, away: Tensor) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(context)[:, None].chunk(6, dim=-1)
        h = h + gate * self._attend(modulate(h, shift, scale), away)
        return h + mlp_gate * self.mlp(modulate(h, mlp_shift, mlp_scale))

    def _attend(self, h: Tensor, away: Tensor) -> Tensor:
        q, k, v = self.inward(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=away)
        return self.outward(mixed.transpose(1, 2).flatten(2))


class SetTransformer(nn.Module):
    r"""Transformer blocks without positions, from elements to elements, told which are there and which are given.

    .. math:: \mathrm{net}(\pi x) = \pi\, \mathrm{net}(x) \quad \text{for permutations } \pi \text{ of the elements}

    Every element sees its own attributes and a mark on those that are given. It starts as the zero field.

    Source: the network of Guerreiro et al., LayoutFlow: Flow Matching for Layout Generation (ECCV 2024),
        https://arxiv.org/abs/2403.18187, with adaptive normalisation in the place of added time embeddings.

    Args:
        features: Attributes F of an element.
        width: Size of a token.
        depth: Number of blocks.
        heads: Attention heads; divides `width`.
        waves: K, octaves of sines and cosines of every attribute that are told beside it, for sets whose elements line
            up; 0 for none.

    Shapes: `x` `[B, N, F]`, `t` `[B]`; `cond` is None, or a mapping with `real` `[B, N]`, 1 for elements and 0 for
        padding, and `generate` `[B, N, F]`, 1 for what is to be generated and 0 for what is given. Gives `[B, N, F]`.
    Raises: `InvalidInput` for sizes out of range and for states or conditions of another shape.

    Example:
        >>> SetTransformer(9, width=32, depth=1)(torch.zeros(2, 5, 9), torch.zeros(2)).shape
        torch.Size([2, 5, 9])
    """

    def __init__(self, features: int, *, width: int = 128, depth: int = 4, heads: int = 4, waves: int = 0) -> None:
        super().__init__()
        require(
            min(features, width, depth, heads) >= 1 and width % heads == 0,
            f"SetTransformer got features={features}, width={width}, depth={depth}, heads={heads}, expected at least 1 "
            "of each, and a width that is a multiple of heads",
        )
        require(waves >= 0, f"waves is a number of octaves, got {waves}; 0 for none")
        self.features, self.waves = features, waves
        self.context = Context(width)
        self.first = nn.Linear((2 + 2 * waves) * features, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, features))

    def forward(self, x: State, t: Float[Tensor, " b"], cond: Cond = None) -> Float[Tensor, "b n f"]:
        """The network's answer; what it says of padding means nothing."""
        if not isinstance(x, Tensor) or x.ndim != 3 or x.shape[2] != self.features:
            raise InvalidInput(f"x has shape {shapes(x)}, this network was built for [B, N, {self.features}]")
        real, generate = self._condition(x, cond)
        away = (1 - real)[:, None, None, :] * _FAR
        octaves = [f(2.0**k * x) for k in range(1, self.waves + 1) for f in (torch.sin, torch.cos)]
        h, context = self.first(torch.cat([x, 1 - generate, *octaves], 2)), self.context(t)
        for block in self.blocks:
            h = block(h, context, away)
        shift, scale = self.modulation(context)[:, None].chunk(2, dim=-1)
        return self.last(modulate(h, shift, scale))

    def _condition(self, x: Tensor, cond: Cond) -> tuple[Tensor, Tensor]:
        told = {"real": torch.ones_like(x[..., 0]), "generate": torch.ones_like(x)}
        for name, value in cast(Any, cond or {}).items():
            if name not in told or value.shape != told[name].shape:
                raise InvalidInput(
                    f"cond is {shapes(cond)}, expected a mapping with real {list(x.shape[:2])} and generate "
                    f"{list(x.shape)}, or one of them"
                )
            told[name] = value.to(x.dtype)
        return told["real"], told["generate"]
