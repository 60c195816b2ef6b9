"""Guidance by a predictor of clean sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pushforward.core import Cond, Gen, State, align, categorical, like, require, span_of
from pushforward.fields import Categorical
from pushforward.guidance.extrapolation import check_scale
from pushforward.guidance.simplex import check_posterior, posterior

__all__ = ["StraightThrough"]


@dataclass(frozen=True)
class StraightThrough:
    r"""Pushes towards symbols that raise a predictor's answer on sequences drawn from the posterior.

    .. math:: z_m \sim \mathrm{Cat}(\hat p(x, t)), \qquad
              G = \frac1M \sum_m \nabla_{\hat p} \log p\big(y \mid z_m + \hat p - \mathrm{sg}[\hat p]\big), \qquad
              v \leftarrow v + g_t\, x \odot (G - \langle x, G \rangle)

    The predictor sees clean one-hot sequences only, and is trained without noise. The straight-through gradient is that
    of the predictor at z, which is unbiased for the slope of E log p(y | z) when log p is linear in z, and biased
    otherwise. The push has the form of the Gumbel-softmax velocity, which stays in the simplex; any path on the simplex
    will do.

    Source: Tang et al., Gumbel-Softmax Flow Matching with Straight-Through Guidance for Controllable Biological
        Sequence Generation (2025), https://arxiv.org/abs/2503.17361. Its scale of the push is not established; here it
        is `scale` alone.

    Args:
        field: Says a law, as `NetField(net, Logits(), GumbelSoftmax())`.
        predictor: `predictor(z, cond)` gives log p(y | z) `[B]` of one-hot sequences `[B, *E, K]`, differentiable.
        scale: g, a finite number >= 0, or times `[B]` to `[B]`. 0 is the field, bit for bit.
        draws: M >= 1.
        generator: Of the draws; a field has no place for one in its call.

    Shapes: `x` `[B, *E, K]`, `t` `[B]`.
    Raises: `InvalidInput` for a negative or non-finite scale, and fewer than one draw; `Incompatible` for fields that
        say no law.

    Example:
        >>> path = pf.paths.GumbelSoftmax()
        >>> field = pf.fields.NetField(pf.oracles.TokenLaw([0.5, 0.5]).on_simplex(path), pf.fields.Logits(), path)
        >>> guided = StraightThrough(field, lambda z, cond: z[:, 0, 0], 1.0)
        >>> guided(torch.tensor([[[0.5, 0.5]]]), torch.zeros(1))
        tensor([[[ 0.2500, -0.2500]]])
    """

    field: Any
    predictor: Callable[[Tensor, Cond], Tensor]
    scale: float | Callable[[Tensor], Tensor] = 1.0
    draws: int = 10
    generator: Gen = None

    def __post_init__(self) -> None:
        if not callable(self.scale):
            check_scale("StraightThrough", self.scale)
        require(self.draws >= 1, f"StraightThrough.draws is {self.draws}, expected at least 1")
        check_posterior("StraightThrough", self.field)

    @property
    def path(self) -> Any:
        """The field's path."""
        return self.field.path

    @property
    def span(self) -> tuple[float, float]:
        """The times between which it may be followed: those of the field."""
        return span_of(self.field)

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Categorical:
        """The field's law of the data, which is not steered: the state is."""
        return self.field.law(x, t, cond)

    def slope(self, probs: Tensor, cond: Cond = None) -> Tensor:
        """G, the mean gradient over the draws, `[B, *E, K]`."""
        total = torch.zeros_like(probs)
        for _ in range(self.draws):
            z = one_hot(categorical(probs.detach(), generator=self.generator), probs.shape[-1]).to(probs.dtype)
            with torch.enable_grad():
                z = z.requires_grad_()
                said = self.predictor(z, cond)
                require(
                    said.shape == probs.shape[:1],
                    f"the predictor gave shape {list(said.shape)}, expected [{len(probs)}], log p(y | z) of every row",
                )
                (one,) = torch.autograd.grad(said.sum(), z)
            total = total + one
        return total / self.draws

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The guided motion."""
        if not callable(self.scale) and self.scale == 0:
            return self.field(x, t, cond)
        x, law = cast(Tensor, x), self.law(x, t, cond)
        G = self.slope(posterior("StraightThrough", _Told(law), x, t, cond), cond)
        push = x * (G - (x * G).sum(-1, keepdim=True))
        g = align(self.scale(t) if callable(self.scale) else torch.full_like(t, self.scale), x)
        return like(self.path.drift(law, x, t) + g * push, x)


@dataclass(frozen=True)
class _Told:
    """A field whose law is known already."""

    said: Categorical

    def law(self, x: State, t: Tensor, cond: Cond = None) -> Categorical:
        """What was said."""
        return self.said
