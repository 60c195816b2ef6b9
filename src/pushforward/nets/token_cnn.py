"""A convolutional network over tokens."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, State, require
from pushforward.nets.embeddings import Context
from pushforward.nets.layers import modulate, zeroed
from pushforward.nets.token_embedding import check_network
from pushforward.nets.token_trunk import TokenTrunk

__all__ = ["TokenCNN"]


class _Block(nn.Module):
    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, padding="same", dilation=dilation)
        self.outward = nn.Linear(width, width)
        self.modulation = zeroed(nn.Linear(width, 3 * width))

    def forward(self, h: Tensor, context: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(context)[:, None].chunk(3, dim=-1)
        inner = self.convolution(modulate(h, shift, scale).mT).mT
        return h + gate * self.outward(nn.functional.gelu(inner, approximate="tanh"))


class TokenCNN(nn.Module):
    r"""Residual one-dimensional convolutions of growing reach, from symbols to logits of symbols; for DNA.

    .. math:: h \leftarrow h + g \odot W\, \mathrm{gelu}\big(\mathrm{conv}_d(\mathrm{LN}(h) \odot (1 + s) + b)\big)

    with (b, s, g) linear in the embedding of time and condition, zero at the start as is the last layer. A position
    sees (kernel - 1) sum(dilations) / 2 of its neighbours on either side, and beyond the ends zeros, by which it knows
    where these are.

    Source: after the network of Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML
        2024), https://arxiv.org/abs/2402.05841. Differs: adaptive normalisation with gates, where theirs adds the time
        to the hidden units.

    Args:
        vocab: Number of symbols of data, those it gives logits for.
        mask: Whether it may see one symbol more, the mask; as in `Tokens`.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        width: Channels.
        kernel: Width of a convolution, odd.
        dilations: Of the blocks, one after the other.
        length: Of all sequences, when places mean something, as in DNA around a start: then each has a learned vector,
            from which they are told apart at once, also where everything is masked. None for sequences of any length.

    Shapes: `x` `[B, N]` int64 (or probabilities `[B, N, size]`), `t` `[B]`; gives logits `[B, N, vocab]`.
    Raises: `InvalidInput` for sizes out of range and states of another shape or length.

    Example:
        >>> TokenCNN(4, width=16)(torch.zeros(2, 500, dtype=torch.int64), torch.zeros(2)).shape
        torch.Size([2, 500, 4])
    """

    def __init__(
        self,
        vocab: int,
        *,
        mask: bool = False,
        classes: int | None = None,
        features: int | None = None,
        width: int = 128,
        kernel: int = 9,
        dilations: Sequence[int] = (1, 1, 4, 16, 64),
        length: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {} if length is None else {"length": length}
        check_network("TokenCNN", vocab, width=width, kernel=kernel, dilations=min(dilations, default=0), **sizes)
        require(kernel % 2 == 1, f"TokenCNN got kernel={kernel}, expected an odd number, with a middle")
        blocks = (_Block(width, kernel, dilation) for dilation in dilations)
        context = Context(width, classes=classes, features=features)
        self.trunk = TokenTrunk(vocab + mask, vocab, blocks, context, width=width, length=length)

    def forward(self, x: State, t: Float[Tensor, "b *times"], cond: Cond = None) -> Float[Tensor, "b n vocab"]:
        """The network's answer."""
        return self.trunk(x, t, cond)
