"""What networks over tokens have around their blocks."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pushforward.core import Cond, State, require
from pushforward.nets.embeddings import Context
from pushforward.nets.layers import modulate, zeroed
from pushforward.nets.token_embedding import TokenEmbedding

__all__ = ["TokenTrunk"]


class TokenTrunk(nn.Module):
    """Symbols to vectors, through blocks `block(h, context)`, to logits; modulations and logits start at zero.

    Args:
        size: Number of symbols it may see.
        vocab: Number of symbols it gives logits for.
        blocks: What is between.
        context: Embedding of time and condition.
        width: Size of a vector.
        length: Of the sequences, if every place has a learned vector of its own; None where places are alike.
    """

    def __init__(
        self,
        size: int,
        vocab: int,
        blocks: Iterable[nn.Module],
        context: Context,
        *,
        width: int,
        length: int | None = None,
    ) -> None:
        super().__init__()
        self.context = context
        self.first = TokenEmbedding(size, width)
        self.places = None if length is None else nn.Parameter(torch.randn(length, width))  # as apart as symbols are
        self.blocks = nn.ModuleList(blocks)
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, vocab))

    def forward(self, x: State, t: Tensor, cond: Cond = None) -> Tensor:
        """Logits `[B, N, vocab]`."""
        h, context = self.first(x, t), self.context(t, cond)
        if self.places is not None:
            require(
                h.shape[1] == len(self.places),
                f"x has {h.shape[1]} positions, expected {len(self.places)}; give the network no length for others",
            )
            h = h + self.places
        for block in self.blocks:
            h = block(h, context)
        shift, scale = self.modulation(context)[:, None].chunk(2, dim=-1)
        return self.last(modulate(h, shift, scale))
