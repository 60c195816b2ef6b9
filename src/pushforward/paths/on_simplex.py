"""What paths of probability vectors share: symbols as vertices, and the door for their states."""

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import InvalidInput, Pairs, Space, State, require, require_part, shapes
from pushforward.spaces import Simplex

__all__ = ["EARLIEST_ZERO", "ends_of", "replicator", "require_simplex", "said"]

EARLIEST_ZERO = 1e-12  # coordinates below it are taken as it where logarithms and powers are


def require_simplex(path: str, space: Space) -> None:
    """Raise `Incompatible` unless `space` is a simplex."""
    require_part(f"{path}.space", space, Simplex, "the space of its probability vectors, as Simplex()")


def ends_of(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """x0 `[B, *E, K]` and the vertices of x1 `[B, *E, K]`, which comes as symbols `[B, *E]` or as one-hot vectors."""
    x0, x1 = pairs.x0, pairs.x1
    if not (isinstance(x0, Tensor) and isinstance(x1, Tensor) and x0.is_floating_point()):
        raise _misshapen(x0, x1)
    if x1.is_floating_point():
        if x0.shape != x1.shape:
            raise _misshapen(x0, x1)
        return x0, x1.to(x0.dtype)
    if x0.shape[:-1] != x1.shape:
        raise _misshapen(x0, x1)
    return x0, one_hot(x1, x0.shape[-1]).to(x0.dtype)


def _misshapen(x0: State, x1: State) -> InvalidInput:
    return InvalidInput(
        f"x0 is {shapes(x0)} and x1 {shapes(x1)}, expected probability vectors [B, *E, K] and symbols [B, *E] (int64) "
        "or one-hot vectors [B, *E, K]; draw x0 by Simplex().noise of a tensor [B, *E, K]"
    )


def said(probs: State, x: State) -> tuple[Tensor, Tensor]:
    """Probabilities for every symbol and the state, of one shape."""
    probs, x = cast(Tensor, probs), cast(Tensor, x)
    require(
        probs.shape == x.shape,
        f"a law of shape {list(probs.shape)} for states {list(x.shape)}; the network gives one logit per coordinate, "
        "[B, *E, K]",
    )
    return probs.to(torch.promote_types(x.dtype, torch.float32)), x


def replicator(rate: Tensor, x: Tensor) -> Tensor:
    """x (rate - <x, rate>): growth of every coordinate at its own rate, within the simplex."""
    return x * (rate - (x * rate).sum(-1, keepdim=True))
