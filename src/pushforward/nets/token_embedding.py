"""Symbols as vectors."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import InvalidInput, State, require, shapes

__all__ = ["TokenEmbedding"]


class TokenEmbedding(nn.Module):
    r"""A learned vector for every symbol; of probabilities over symbols, the mean of these vectors.

    .. math:: h_i = E_{x_i} \qquad \text{or} \qquad h_i = \sum_k x_{ik} E_k

    Args:
        size: Number of symbols, the mask included.
        width: Size of a vector.

    Shapes: `x` `[B, N]` int64, or `[B, N, size]` real; `t` `[B]`; gives `[B, N, width]`.
    Raises: `InvalidInput` for other shapes.

    Example:
        >>> embed, x = TokenEmbedding(3, 8), torch.tensor([[0, 2]])
        >>> torch.allclose(embed(x, torch.zeros(1)), embed(torch.nn.functional.one_hot(x).float(), torch.zeros(1)))
        True
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)

    def forward(self, x: State, t: Tensor) -> Float[Tensor, "b n width"]:
        """Vectors of the symbols; the times are only looked at."""
        size = self.table.num_embeddings
        if not isinstance(x, Tensor) or x.ndim != (3 if x.is_floating_point() else 2):
            raise InvalidInput(
                f"x has shape {shapes(x)}, expected symbols [B, N] or probabilities [B, N, {size}]; flatten the other "
                "event axes"
            )
        require(
            list(t.shape) == [len(x)],
            f"t has shape {list(t.shape)}, expected [{len(x)}] (one time per row); use core.broadcast_time(t, x)",
        )
        if not x.is_floating_point():
            return self.table(x)
        require(x.shape[2] == size, f"x has shape {shapes(x)}, expected probabilities of {size} symbols")
        return x.to(self.table.weight.dtype) @ self.table.weight


def check_network(net: str, vocab: int, **sizes: int) -> None:
    """`InvalidInput` unless there are two symbols, and all `sizes` are positive."""
    require(vocab >= 2, f"{net} got vocab={vocab}, expected at least two symbols")
    for name, value in sizes.items():
        require(value >= 1, f"{net} got {name}={value}, expected at least 1")


def rotated(q: Float[Tensor, "b heads n d"], base: float = 10_000.0) -> Float[Tensor, "b heads n d"]:
    r"""Rotary positions: pairs of coordinates turned by an angle in proportion to the position.

    .. math:: (q_{2k} + i\, q_{2k+1})\, e^{i n \omega_k}, \qquad \omega_k = b^{-2k/d}

    so that inner products of rotated vectors know the difference of their positions only.

    Source: Su et al., RoFormer (2021), https://arxiv.org/abs/2104.09864. Differs: pairs are (k, k + d/2), as in most
        codes.
    """
    half, dtype = q.shape[-1] // 2, torch.promote_types(q.dtype, torch.float32)
    omega = base ** (-torch.arange(half, device=q.device, dtype=dtype) / half)
    angle = torch.arange(q.shape[-2], device=q.device, dtype=dtype)[:, None] * omega
    cos, sin = angle.cos().to(q.dtype), angle.sin().to(q.dtype)
    a, b = q[..., :half], q[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
