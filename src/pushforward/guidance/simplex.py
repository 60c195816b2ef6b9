"""What guidance of posteriors on the simplex shares."""

from typing import Any, cast

import torch
from torch import Tensor

from pushforward.core import Cond, Incompatible, State, require
from pushforward.fields import Categorical

__all__ = ["check_posterior", "log_of", "posterior", "to_simplex"]


def check_posterior(guidance: str, field: Any, *offers: str) -> None:
    """`Incompatible` unless the field says a law of the data, on a path with all that is asked of it."""
    path = getattr(field, "path", None)
    require(
        callable(getattr(field, "law", None)) and all(hasattr(path, name) for name in ("drift", *offers)),
        f"{guidance} steers what a field says of the data, on a path with {' and '.join(('drift', *offers))}; got "
        f"{type(field).__name__} on {type(path).__name__}; give NetField(net, Logits(), Dirichlet())",
        Incompatible,
    )


def posterior(guidance: str, field: Any, x: State, t: Tensor, cond: Cond) -> Tensor:
    """Probabilities `[B, *E, K]`."""
    law = field.law(x, t, cond)
    require(
        isinstance(law, Categorical),
        f"{guidance} steers laws of symbols, got {type(law).__name__}; use the head Logits()",
        Incompatible,
    )
    return law.mean


def to_simplex(y: Tensor) -> Tensor:
    """The nearest probability vector, of vectors of sum 1; what is one stays, bit for bit.

    Source: the sort of Duchi et al., Efficient Projections onto the l1-Ball (ICML 2008),
        https://doi.org/10.1145/1390156.1390191.
    """
    down = y.sort(-1, descending=True).values
    shift = (down.cumsum(-1) - 1) / torch.arange(1, y.shape[-1] + 1, device=y.device, dtype=y.dtype)
    last = ((down > shift).sum(-1, keepdim=True) - 1).clamp_min(0)
    return torch.where((y >= 0).all(-1, keepdim=True), y, (y - shift.gather(-1, last)).clamp_min(0))


def log_of(probs: Tensor) -> Categorical:
    """The law of given probabilities."""
    return Categorical(cast(Tensor, probs).log())
