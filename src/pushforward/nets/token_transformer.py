"""A transformer over tokens."""

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, State, require
from pushforward.nets.embeddings import Context
from pushforward.nets.layers import modulate, zeroed
from pushforward.nets.token_embedding import check_network, rotated
from pushforward.nets.token_trunk import TokenTrunk

__all__ = ["TokenTransformer"]


class _Near(nn.Module):
    """Adds what the neighbours say, every coordinate by itself."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, padding="same", groups=width)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.convolution(h.mT).mT


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, kernel: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.near = None if kernel is None else nn.ModuleList(_Near(width, kernel) for _ in range(2))
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = zeroed(nn.Linear(width, 6 * width))

    def forward(self, h: Tensor, context: Tensor) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(context)[:, None].chunk(6, dim=-1)
        attention, mlp = (nn.Identity(), nn.Identity()) if self.near is None else self.near
        h = h + gate * self._attend(attention(modulate(h, shift, scale)))
        return h + mlp_gate * self.mlp(mlp(modulate(h, mlp_shift, mlp_scale)))

    def _attend(self, h: Tensor) -> Tensor:
        q, k, v = self.inward(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        mixed = nn.functional.scaled_dot_product_attention(rotated(q), rotated(k), v)
        return self.outward(mixed.transpose(1, 2).flatten(2))


class TokenTransformer(nn.Module):
    r"""Transformer blocks with rotary positions and adaptive normalisation, from symbols to logits of symbols.

    .. math:: h \leftarrow h + g_1 \odot \mathrm{Attention}(\mathrm{LN}(h) \odot (1 + s_1) + b_1), \qquad
              h \leftarrow h + g_2 \odot \mathrm{MLP}(\mathrm{LN}(h) \odot (1 + s_2) + b_2)

    with (b, s, g) linear in the embedding of time and condition, zero at the start as is the last layer: it starts by
    saying that all symbols are alike. Positions enter as differences alone, so sequences may have any length.

    Source: the network of Lou, Meng & Ermon, Discrete Diffusion Modeling by Estimating the Ratios of the Data
        Distribution (ICML 2024), https://arxiv.org/abs/2310.16834, a DiT (https://arxiv.org/abs/2212.09748) with rotary
        positions.

    With a `kernel`, what goes into attention and MLP is first mixed with its neighbours by a depthwise convolution that
    is added, as So et al., Primer (NeurIPS 2021), https://arxiv.org/abs/2109.08668, do after the projections of
    attention. It sees words at once where attention has to learn what a neighbour is, and knows where a sequence ends.

    Args:
        vocab: Number of symbols of data, those it gives logits for.
        mask: Whether it may see one symbol more, the mask; as in `Tokens`.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        width: Size of a token.
        depth: Number of blocks.
        heads: Attention heads; `width` is a multiple of 2 `heads`.
        kernel: Positions that a convolution before attention and MLP sees, odd; None for none.

    Shapes: `x` `[B, N]` int64 (or probabilities `[B, N, size]`), `t` `[B]`; gives logits `[B, N, vocab]`.
    Raises: `InvalidInput` for sizes out of range and states of another shape.

    Example:
        >>> net = TokenTransformer(5, mask=True, width=32, depth=1)
        >>> net(torch.full((2, 7), 5), torch.zeros(2)).shape
        torch.Size([2, 7, 5])
    """

    def __init__(
        self,
        vocab: int,
        *,
        mask: bool = False,
        classes: int | None = None,
        features: int | None = None,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        kernel: int | None = None,
    ) -> None:
        super().__init__()
        check_network("TokenTransformer", vocab, width=width, depth=depth, heads=heads)
        require(
            width % (2 * heads) == 0,
            f"TokenTransformer got width={width} and heads={heads}, expected an even number of coordinates a head",
        )
        require(
            kernel is None or (kernel >= 1 and kernel % 2 == 1),
            f"TokenTransformer got kernel={kernel}, expected an odd number, with a middle, or None",
        )
        blocks = (_Block(width, heads, kernel) for _ in range(depth))
        context = Context(width, classes=classes, features=features)
        self.trunk = TokenTrunk(vocab + mask, vocab, blocks, context, width=width)

    def forward(self, x: State, t: Float[Tensor, "b *times"], cond: Cond = None) -> Float[Tensor, "b n vocab"]:
        """The network's answer."""
        return self.trunk(x, t, cond)
