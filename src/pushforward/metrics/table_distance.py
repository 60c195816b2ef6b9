"""Samples of symbols against a law that is known as a table."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.core import require

__all__ = ["table_kl", "table_variation", "table_variation_floor"]


def _counted(x: Tensor, table: Tensor) -> Tensor:
    """The shares of all cells of the table among the rows of `x`, and that of rows which are in none."""
    require(
        x.ndim == 2 and len(x) > 0 and x.shape[1] == table.ndim and not x.is_floating_point(),
        f"x is {x.dtype} of shape {list(x.shape)}, expected int64 [N, {table.ndim}]: one symbol for every axis of the "
        "table",
    )
    sizes = torch.tensor(table.shape, device=x.device)
    inside = ((x >= 0) & (x < sizes)).all(1)
    strides = torch.tensor(table.stride(), device=x.device)
    cells = table.numel()
    index = torch.where(inside, (x * strides).sum(1), cells)
    return torch.bincount(index, minlength=cells + 1).to(table.dtype) / len(x)


def table_variation(x: Int[Tensor, "n d"], table: Tensor) -> Float[Tensor, ""]:
    r"""Total variation between the empirical law of samples and a table of probabilities.

    .. math:: \tfrac12 \sum_k |\hat p_k - p_k|

    In [0, 1]. Rows with symbols that the table does not have (masks that were left) count as wrong. For a perfect
    sampler it is `table_variation_floor`.

    Args:
        x: Samples `[N, d]` int64.
        table: Probabilities `[K, ..., K]` with d axes.

    Example:
        >>> table_variation(torch.tensor([[0], [0], [1], [1]]), torch.tensor([0.75, 0.25]))
        tensor(0.2500)
    """
    table = table.contiguous()
    shares = _counted(x, table)
    return ((shares[:-1] - table.flatten()).abs().sum() + shares[-1]) / 2


def table_variation_floor(table: Tensor, n: int) -> float:
    r"""What `table_variation` gives for n draws of the table itself, in the mean.

    .. math:: \tfrac12 \sum_k \mathrm E|\hat p_k - p_k| \approx \sum_k \sqrt{\frac{p_k (1 - p_k)}{2 \pi n}}

    By the normal law of each count: an upper bound where counts are below one or so.

    Example:
        >>> round(table_variation_floor(torch.tensor([0.5, 0.5]), 10_000), 4)
        0.004
    """
    p = table.double()
    return float((p * (1 - p) / (2 * math.pi * n)).clamp_min(0).sqrt().sum())


def table_kl(x: Int[Tensor, "n d"], table: Tensor) -> Float[Tensor, ""]:
    r"""KL divergence of the empirical law of samples from a table of probabilities, in nats.

    .. math:: \sum_k \hat p_k \log\frac{\hat p_k}{p_k}

    Infinite when a sample has probability 0. For n draws of the table it is (cells - 1) / (2 n) in the mean, cells
    being those of positive probability, for large n.

    Args:
        x: Samples `[N, d]` int64.
        table: Probabilities `[K, ..., K]` with d axes.

    Example:
        >>> table_kl(torch.tensor([[0], [1]]), torch.tensor([0.5, 0.5]))
        tensor(0.)
    """
    table = table.contiguous()
    shares = _counted(x, table)
    p = torch.cat([table.flatten(), table.new_zeros(1)])
    return (torch.special.xlogy(shares, shares) - torch.special.xlogy(shares, p)).sum()
