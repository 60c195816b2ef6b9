"""Bits per dimension: log-probabilities of whole numbers from a log-density."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, event_size, require
from pushforward.inference.dequantisation import Dequantisation

__all__ = ["bits_per_dim", "log_bound"]


def log_bound(
    density: Callable[[Tensor], Tensor],
    x: Float[Tensor, "b *e"],
    half: float,
    dequantisation: Dequantisation,
    *,
    draws: int = 1,
    alpha: float = 1.0,
    generator: Gen = None,
) -> Float[Tensor, " b"]:
    r"""Lower bound of the log-probability of cells, in nats.

    .. math:: \log P(x) = \log \int_{|y - x|_\infty \le h} p(y)\, dy \;\ge\;
              \mathrm E\, \log \frac1K \sum_{k=1}^{K} \frac{p(y_k)}{q(y_k | x)}, \qquad y_k \sim q(\cdot | x)

    One draw of the right-hand side for every row. It rises with K to log P(x), and is log P(x) for every draw where q
    is p within the cell.

    Source: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (ICLR 2016),
        https://arxiv.org/abs/1509.00519, for K > 1; the cells as in i-DODE, https://arxiv.org/abs/2305.03935.

    Args:
        density: Log-density `[B]` of states `[B, *E]`, in nats.
        x: Middles of the cells `[B, *E]`, in model units.
        half: h > 0, half the width of a cell, in the same units.
        dequantisation: q.
        draws: K >= 1.
        alpha: Where the density is of a path's state at its last time t < 1, alpha_t: states are alpha_t y.
        generator: Of the draws.

    Example: cells of width 1 under the uniform density on [0, 4)
        >>> inside = lambda y: torch.full((len(y),), 0.25).log()
        >>> log_bound(inside, torch.tensor([[0.5], [1.5]]), 0.5, pf.inference.dequantisation.Uniform()).exp()
        tensor([0.2500, 0.2500])
    """
    require(half > 0 and alpha > 0, f"a cell needs a width, got half={half} and alpha={alpha}; both > 0")
    require(draws >= 1, f"log_bound needs at least one draw, got draws={draws}")
    volume = event_size(x) * math.log(alpha)
    weights: list[Tensor] = []
    for _ in range(draws):
        y, log_q = dequantisation(x, half, generator=generator)
        weights.append(density(alpha * y) + volume - log_q)
    return torch.stack(weights).logsumexp(0) - math.log(draws)


def bits_per_dim(
    density: Callable[[Tensor], Tensor],
    x: Float[Tensor, "b *e"],
    half: float,
    dequantisation: Dequantisation,
    *,
    draws: int = 1,
    alpha: float = 1.0,
    generator: Gen = None,
) -> Float[Tensor, " b"]:
    r"""What it takes to write down a row of whole numbers, per coordinate: `-log_bound / (d log 2)`.

    Arguments as for `log_bound`; an upper bound in the mean. Smaller is better, log2 of the number of levels is what
    knows nothing.

    Example: two of four levels
        >>> inside = lambda y: torch.full((len(y),), 0.25).log()
        >>> bits_per_dim(inside, torch.tensor([[0.5], [1.5]]), 0.5, pf.inference.dequantisation.Uniform())
        tensor([2., 2.])
    """
    bound = log_bound(density, x, half, dequantisation, draws=draws, alpha=alpha, generator=generator)
    return -bound / (event_size(x) * math.log(2))
