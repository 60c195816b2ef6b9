"""Classifier-free guidance of posteriors on the simplex."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.core import Cond, State, cat_states, span_of
from pushforward.fields import Categorical
from pushforward.guidance.extrapolation import check_scale, given, null_like
from pushforward.guidance.simplex import check_posterior, log_of, posterior, to_simplex

__all__ = ["SimplexClassifierFree"]


@dataclass(frozen=True)
class SimplexClassifierFree:
    r"""Extrapolates the posterior of the symbols from the unconditional through the conditional one.

    .. math:: \hat p = \Pi\big(g\, \hat p_c + (1 - g)\, \hat p_\varnothing\big)

    with Pi the nearest point of the simplex, as entries may fall below 0 for g > 1. The map between posterior and score
    is affine, so this is guidance of scores exactly (derived):
    :math:`s = g\, s_c + (1 - g)\, s_\varnothing`. With `tilt`, another method whose answer is always a law,

    .. math:: \hat p \propto \hat p_c^{\,g}\, \hat p_\varnothing^{\,1 - g}

    Source: Stark et al., Dirichlet Flow Matching with Applications to DNA Sequence Design (ICML 2024),
        https://arxiv.org/abs/2402.05841; the tilt is the official code's other option.

    Args:
        field: Knows the condition and its absence; says a law, as `NetField(net, Logits(), Dirichlet())`.
        scale: g, finite and >= 0; 1 is the conditional field, bit for bit, and 0 the unconditional one.
        null: The condition of the weak side, one row; None for `core.null_condition`.
        tilt: Whether logarithms are extrapolated.

    Shapes: `x` `[B, *E, K]`, `t` `[B]`.
    Raises: `InvalidInput` for a negative or non-finite scale, and at the call for `cond=None`; `Incompatible` for
        fields that say no law of symbols.

    Example:
        >>> path = pf.paths.Dirichlet()
        >>> net = pf.nets.TokenCNN(3, classes=2, width=8, dilations=(1,))
        >>> guided = SimplexClassifierFree(pf.fields.NetField(net, pf.fields.Logits(), path), 2.0)
        >>> guided(torch.full((1, 5, 3), 1 / 3), torch.zeros(1), torch.tensor([1])).shape
        torch.Size([1, 5, 3])
    """

    field: Any
    scale: float
    null: Cond = None
    tilt: bool = False

    def __post_init__(self) -> None:
        check_scale("SimplexClassifierFree", self.scale)
        check_posterior("SimplexClassifierFree", self.field)

    @property
    def path(self) -> Any:
        """The field's path."""
        return self.field.path

    @property
    def span(self) -> tuple[float, float]:
        """The times between which it may be followed: those of the field."""
        return span_of(self.field)

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Categorical:
        """The guided law of the data."""
        cond = given(cond)
        if self.scale in (0, 1):
            return self.field.law(x, t, cond if self.scale == 1 else null_like(cond, self.null))
        both = cat_states(null_like(cond, self.null), cond)
        probs = posterior("SimplexClassifierFree", self.field, cat_states(x, x), torch.cat([t, t]), both)
        weak, strong = probs.chunk(2)
        if self.tilt:
            tiny = torch.finfo(probs.dtype).tiny
            weak, strong = weak.clamp_min(tiny).log(), strong.clamp_min(tiny).log()
            return Categorical(strong + (self.scale - 1) * (strong - weak))
        return log_of(to_simplex(strong + (self.scale - 1) * (strong - weak)))

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The motion that follows from it."""
        return self.path.drift(self.law(x, t, cond), x, t)
