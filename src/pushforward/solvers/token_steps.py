"""What every step of token sequences asks of its path and its dynamics."""

from typing import Any, cast

from torch import Tensor

from pushforward.core import Cond, Incompatible, require
from pushforward.fields import Categorical
from pushforward.paths import Mixture

__all__ = ["hazard", "require_mixture", "said_of_data"]


def require_mixture(solver: Any) -> Mixture:
    """The solver's path, if it is a mixture path of tokens."""
    path = solver.path
    if not isinstance(path, Mixture):
        raise Incompatible(
            f"{type(solver).__name__}.path is {path!r}, expected that of the tokens, as Mixture(Tokens(27)); for "
            "states of numbers use Heun() or another solver of velocities"
        )
    return path


def said_of_data(solver: Any, dynamics: Any, x: Tensor, t: Tensor, cond: Cond) -> Categorical:
    """What the dynamics say of x1."""
    law = getattr(dynamics, "law", None)
    require(
        callable(law),
        f"{type(solver).__name__} asks dynamics for the law of the data, dynamics.law(x, t, cond); give "
        "NetField(net, Logits(), path), or step by rates with Euler(Tokens(...))",
        Incompatible,
    )
    return cast(Any, law)(x, t, cond)


def hazard(path: Mixture, s: Tensor, t: Tensor) -> Tensor:
    """The chance `[B]` that a position which shows its source at `s` shows its data at `t`."""
    here, there = path.kappa(s)[0], path.kappa(t)[0]
    return ((there - here) / (1 - here).clamp_min(1e-30)).clamp(0.0, 1.0)
