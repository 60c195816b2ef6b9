"""A convolutional network that says what a sequence is."""

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, State, require
from pushforward.nets.embeddings import Context
from pushforward.nets.layers import modulate, zeroed
from pushforward.nets.token_embedding import TokenEmbedding, check_network

__all__ = ["TokenClassifier"]


class _Stage(nn.Module):
    def __init__(self, width: int, kernel: int, pool: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, padding="same")
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.pool = nn.MaxPool1d(pool, ceil_mode=True)

    def forward(self, h: Tensor, context: Tensor) -> Tensor:
        shift, scale = self.modulation(context)[:, None].chunk(2, dim=-1)
        inner = self.convolution(modulate(h, shift, scale).mT)
        return self.pool(nn.functional.gelu(inner, approximate="tanh")).mT


class TokenClassifier(nn.Module):
    r"""Convolutions and pooling from symbols to the logits of classes; a recogniser of motifs and where they stand.

    .. math:: h \leftarrow \mathrm{pool}\big(\mathrm{gelu}(\mathrm{conv}(\mathrm{LN}(h) \odot (1 + s) + b))\big), \qquad
              \ell = W\, \mathrm{vec}(h)

    with (b, s) linear in the embedding of the time, zero at the start as is W: noisy states of a path can be told, at
    any time, or clean ones at t = 1. Of probability vectors it sees mean embeddings, so that it has gradients in them.

    Source: convolution, pooling and a dense layer over all positions after Umarov & Solovyev, Recognition of
        Prokaryotic and Eukaryotic Promoters using Convolutional Deep Learning Neural Networks (PLoS ONE 2017),
        https://doi.org/10.1371/journal.pone.0171410. Differs: two stages, told the time.

    Args:
        size: Number of symbols it may see, the mask included.
        length: Positions of a sequence.
        classes: Number of classes, >= 2.
        width: Channels.
        kernel: Width of a convolution, odd.
        pools: Positions that become one, stage by stage.
        dropout: Share of the last hidden units that training leaves out, in [0, 1).

    Shapes: `x` `[B, length]` int64 (or probabilities `[B, length, size]`), `t` `[B]`; gives logits `[B, classes]`.
    Raises: `InvalidInput` for sizes out of range and states of another shape.

    Example:
        >>> TokenClassifier(4, 81, 2, width=16)(torch.zeros(3, 81, dtype=torch.int64), torch.ones(3)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        size: int,
        length: int,
        classes: int,
        *,
        width: int = 64,
        kernel: int = 9,
        pools: tuple[int, ...] = (3, 3),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_network("TokenClassifier", size, length=length, width=width, kernel=kernel, pools=min(pools, default=0))
        require(kernel % 2 == 1, f"TokenClassifier got kernel={kernel}, expected an odd number, with a middle")
        require(classes >= 2, f"TokenClassifier got classes={classes}, expected at least two")
        require(0 <= dropout < 1, f"TokenClassifier got dropout={dropout}, expected a share in [0, 1)")
        self.context = Context(width)
        self.first = TokenEmbedding(size, width)
        self.stages = nn.ModuleList(_Stage(width, kernel, pool) for pool in pools)
        self.length, left = length, length
        for pool in pools:
            left = -(-left // pool)
        self.dropout = nn.Dropout(dropout)
        self.last = zeroed(nn.Linear(left * width, classes))

    def forward(self, x: State, t: Float[Tensor, "b"], cond: Cond = None) -> Float[Tensor, "b classes"]:
        """The network's answer."""
        h, context = self.first(x, t), self.context(t, cond)
        require(
            h.shape[1] == self.length,
            f"x has {h.shape[1]} positions, expected {self.length}; build the network for the length of the sequences",
        )
        for stage in self.stages:
            h = stage(h, context)
        return self.last(self.dropout(h.flatten(1)))
