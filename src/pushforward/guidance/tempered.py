"""A sharper or flatter law of tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from pushforward.core import Cond, Incompatible, State, align, require, span_of
from pushforward.fields import Categorical

__all__ = ["Tempered"]


@dataclass(frozen=True)
class Tempered:
    r"""A field of tokens whose law of every symbol is taken to a power.

    .. math:: p_T^i(k \mid x, t) \propto p_\theta^i(k \mid x, t)^{1/T}

    T < 1 prefers what is likely anyway, T > 1 what is rare; T = 1 is the field, bit for bit. Below or above it the
    chain leaves the marginals of the path, and where it arrives is not the data's law to the power 1 / T (for one
    position it is, in a single step from the mask).

    Source: the temperature of Gat et al., Discrete Flow Matching (NeurIPS 2024), https://arxiv.org/abs/2407.15595.

    Args:
        field: With a `law` of the data and a `path`, as `NetField(net, Logits(), path)`.
        temperature: T > 0, a number or times `[B]` to `[B]`.

    Raises: `Incompatible` for fields without a law; `InvalidInput` for a number that is not positive.

    Example:
        >>> path = pf.paths.Mixture(pf.spaces.Tokens(2, mask=True))
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.2, 0.8]).along(path), pf.fields.Logits(), path)
        >>> Tempered(field, 0.5).law(torch.tensor([[2]]), torch.zeros(1)).mean
        tensor([[[0.0588, 0.9412]]], dtype=torch.float64)
    """

    field: Any
    temperature: float | Callable[[Tensor], Tensor] = 1.0

    def __post_init__(self) -> None:
        require(
            callable(getattr(self.field, "law", None)) and hasattr(getattr(self.field, "path", None), "drift"),
            f"Tempered sharpens the law of a field, which {type(self.field).__name__} does not say; give "
            "NetField(net, Logits(), path)",
            Incompatible,
        )
        if not callable(self.temperature):
            require(self.temperature > 0, f"temperature is {self.temperature}, expected a number > 0")

    @property
    def path(self) -> Any:
        """The field's path."""
        return self.field.path

    @property
    def span(self) -> tuple[float, float]:
        """The times between which it may be followed: those of the field."""
        return span_of(self.field)

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Categorical:
        """The sharper law of the data."""
        law = self.field.law(x, t, cond)
        require(isinstance(law, Categorical), f"a temperature is of laws of symbols, got {type(law).__name__}")
        T = self.temperature(t) if callable(self.temperature) else torch.full_like(t, self.temperature)
        return law.tempered(align(T, law.logits).to(law.logits.dtype))

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """Rates that follow from it."""
        return cast(Any, self.path).drift(self.law(x, t, cond), x, t)
