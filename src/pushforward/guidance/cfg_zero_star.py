"""CFG-Zero*."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Cond, Field, State, align, dot, map_state, require, span_of
from pushforward.guidance.classifier_free import ClassifierFree
from pushforward.guidance.extrapolation import check_scale, extrapolate, given, null_like, stacked

__all__ = ["CFGZeroStar"]


def _projected(weak: State, strong: State) -> State:
    """The multiple of `weak` nearest to `strong`, row by row, in float32 or better."""
    u, v = (map_state(lambda p: p.to(torch.promote_types(p.dtype, torch.float32)), side) for side in (weak, strong))
    s = dot(u, v) / (dot(u, u) + 1e-8)
    return map_state(lambda p: align(s, p) * p, u)


@dataclass(frozen=True)
class CFGZeroStar:
    r"""Classifier-free guidance from the best multiple of the unconditional field, after a pause at the start.

    .. math:: v_w = s^* v_\varnothing + w\,(v_c - s^* v_\varnothing), \qquad
              s^* = \frac{\langle v_c, v_\varnothing\rangle}{|v_\varnothing|^2 + 10^{-8}}
                  \approx \arg\min_s |v_c - s\,v_\varnothing|^2, \qquad v_w = 0 \text{ while } t < t_0

    An under-trained unconditional field can only enter as far as the conditional one supports it. The inner products
    run over all event axes of a row. In dimension 1 every pair is parallel, so the result is the conditional field
    for every w. The pause helps where the early field is wrong; an exact field it biases: of a centred Gaussian of
    variance S it makes :math:`S / (t_0^2 S + (1 - t_0)^2)`.

    Source: Fan et al., CFG-Zero*: Improved Classifier-Free Guidance for Flow Matching Models,
        https://arxiv.org/abs/2503.18886. Differs: the paper counts the paused solver steps (one, or 4 % of them);
        a time does not depend on the grid. To pause one step of n, let `zero_until` lie in (0, 1/n].

    Args:
        field: A field that knows the condition and its absence.
        scale: w, finite and >= 0. 1 gives the conditional field bit for bit, by a single evaluation.
        zero_until: :math:`t_0` in [0, 1); the field is zero at t < :math:`t_0`.
        null: The condition of the weak side, one row `[1, ...]`; None for `core.null_condition`.

    Shapes: `x` `[B, *E]`, `t` `[B]`, `cond` with leading `B`; gives `[B, *E]`.
    Raises: `InvalidInput` for a negative or non-finite scale or a `zero_until` outside [0, 1), and at the call for
        `cond=None`.

    Example:
        >>> field = lambda x, t, cond: torch.where((cond < 0)[:, None], torch.tensor([1.0, 0.0]), x)
        >>> CFGZeroStar(field, 2.0)(torch.tensor([[3.0, 1.0]]), torch.zeros(1), torch.tensor([0]))
        tensor([[3., 2.]])
    """

    field: Field
    scale: float
    zero_until: float = 0.0
    null: Cond = None

    def __post_init__(self) -> None:
        check_scale("CFGZeroStar", self.scale)
        require(
            0 <= self.zero_until < 1,
            f"CFGZeroStar got zero_until={self.zero_until}, expected a time in [0, 1); 0 is no pause",
        )

    @property
    def span(self) -> tuple[float, float]:
        """The times at which it may be followed: those of its field."""
        return span_of(self.field)

    @property
    def plain(self) -> Field:
        """The conditional field alone, without the pause."""
        return ClassifierFree(self.field, 1.0, self.null)

    def with_plain(self, x: State, t: Tensor, cond: Cond = None) -> tuple[State, State]:
        """The guided and the conditional motion, by one evaluation."""
        cond = given(cond)
        weak, strong = stacked(self.field, x, t, null_like(cond, self.null), cond)
        guided = extrapolate(_projected(weak, strong), strong, self.scale)
        return self._paused(map_state(lambda p, like: p.to(like.dtype), guided, strong), t), strong

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The guided motion."""
        if self.scale == 1:
            return self._paused(self.plain(x, t, cond), t)
        return self.with_plain(x, t, cond)[0]

    def _paused(self, v: State, t: Tensor) -> State:
        if self.zero_until == 0:
            return v
        return map_state(lambda p: torch.where(align(t < self.zero_until, p), 0.0, p), v)
