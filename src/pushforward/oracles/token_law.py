"""A law of short token sequences, given by its table."""

import math
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pushforward.core import Gen, rand, require
from pushforward.oracles.algebra import Values, to_tensor
from pushforward.oracles.simplex_along import SimplexAlong, SymbolPath
from pushforward.oracles.token_along import TokenAlong, TokenPath

__all__ = ["TokenLaw"]


class TokenLaw(nn.Module):
    r"""Any joint law of N symbols out of K, as a table of K^N probabilities: what a discrete flow learns is known.

    .. math:: \mathrm P(x_1 = (k_1, \dots, k_N)) = T_{k_1 \dots k_N}

    `along(path)` gives the exact posterior and rates, `on_simplex(path)` the posterior where the states are probability
    vectors. Memory and work grow as B K^N: N <= 4 or so.

    Args:
        table: T, `[K, ..., K]` with N axes, >= 0, with sum 1. Plain numbers become float64.

    Shapes: states `[B, N]` int64.
    Raises: `InvalidInput` for a table with unequal axes, entries below 0, or another sum.

    Example:
        >>> law = TokenLaw([[0.5, 0.0], [0.25, 0.25]])
        >>> law.log_prob(torch.tensor([[0, 0], [1, 0]])).exp()
        tensor([0.5000, 0.2500], dtype=torch.float64)
        >>> law.entropy()
        1.0397207708399179
    """

    table: Tensor

    def __init__(self, table: Values) -> None:
        super().__init__()
        T = to_tensor("table", table)
        require(
            T.ndim >= 1 and len(set(T.shape)) == 1 and T.shape[0] >= 2,
            f"table has shape {list(T.shape)}, expected [K, ..., K] with one axis per position and K >= 2",
        )
        total = float(T.sum())
        require(
            bool((T >= 0).all()) and math.isclose(total, 1.0, abs_tol=1e-5),
            f"table has entries from {float(T.min()):.3g} and sum {total:.6g}, expected probabilities; divide by it",
        )
        self.register_buffer("table", T / T.sum())

    @property
    def vocab(self) -> int:
        """K, the number of symbols."""
        return self.table.shape[0]

    @property
    def length(self) -> int:
        """N, the number of positions."""
        return self.table.ndim

    def sample(self, n: int, *, generator: Gen = None) -> Int[Tensor, "n positions"]:
        """`n` draws."""
        heights = self.table.flatten().double().cumsum(0)  # one for all rows, unlike in `core.categorical`
        flat = torch.searchsorted(heights, heights[-1] * (1.0 - rand((n,), heights, generator=generator)))
        return torch.stack(torch.unravel_index(flat, self.table.shape), 1)

    def log_prob(self, x: Int[Tensor, "b positions"]) -> Float[Tensor, " b"]:
        """Log-probability of every row, in nats."""
        return self.table[x.unbind(1)].log()

    def entropy(self) -> float:
        """- sum T log T, in nats."""
        return -torch.special.xlogy(self.table, self.table).sum().item()

    def states(self) -> Int[Tensor, "rows positions"]:
        """All K^N sequences, in the order of `table.flatten()`."""
        return every_state(self.vocab, self.length, self.table.device)

    def along(self, path: TokenPath) -> TokenAlong:
        """What is exact on `path`, with the noise of its space as an independent source."""
        require(
            path.tokens.vocab == self.vocab,
            f"the path has {path.tokens.vocab} symbols, the law {self.vocab}; give Tokens(vocab={self.vocab})",
        )
        return TokenAlong(self.table, path)

    def on_simplex(self, path: SymbolPath) -> SimplexAlong:
        """What is exact on a path of probability vectors, as `Dirichlet()`, from its own noise as a source."""
        return SimplexAlong(self.table, path)


def every_state(size: int, length: int, device: torch.device | None = None) -> Tensor:
    """All sequences of `length` symbols out of `size`, `[size^length, length]`, the last position running fastest."""
    symbols = torch.arange(size, device=device)
    return cast(Tensor, torch.cartesian_prod(*[symbols] * length)).reshape(-1, length)
