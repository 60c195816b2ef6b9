"""Classifier-free guidance."""

from dataclasses import dataclass, replace

from torch import Tensor

from pushforward.core import Cond, Field, State, span_of
from pushforward.guidance.extrapolation import check_scale, extrapolate, given, null_like, stacked

__all__ = ["ClassifierFree"]


@dataclass(frozen=True)
class ClassifierFree:
    r"""Extrapolates from the unconditional field through the conditional one.

    .. math:: v_w(x, t \mid c) = v(x, t \mid \varnothing) + w\,\big(v(x, t \mid c) - v(x, t \mid \varnothing)\big)

    For an affine path with a Gaussian source its score is that of :math:`p_t(x)^{1-w}\,p_t(x \mid c)^w`; this family
    is not what the field transports, so the samples follow another law. Between Gaussians of equal covariance the
    mean moves to :math:`m_\varnothing + w (m_c - m_\varnothing)`; between centred ones the variance becomes
    :math:`S_\varnothing^{1-w} S_c^w`, not that of the tilt.

    Source: Zheng et al., Guided Flows for Generative Modeling and Decision Making, https://arxiv.org/abs/2311.13443.
        Other conventions: papers that write :math:`(1 + g) v_c - g v_\varnothing` have g = w - 1.

    Args:
        field: A field that knows the condition and its absence, e.g. trained with `cond_drop > 0`.
        scale: w, finite and >= 0. 1 gives the conditional field and 0 the unconditional one, bit for bit and by a
            single evaluation; others cost one evaluation of 2B rows.
        null: The condition of the weak side, one row `[1, ...]` (a negative prompt, a foreign network's empty token);
            None for `core.null_condition`.

    Shapes: `x` `[B, *E]`, `t` `[B]`, `cond` with leading `B`; gives `[B, *E]`.
    Raises: `InvalidInput` for a negative or non-finite scale, and at the call for `cond=None`.

    Example:
        >>> field = lambda x, t, cond: cond.clamp_min(0)[:, None] - x
        >>> ClassifierFree(field, 3.0)(torch.zeros(2, 1), torch.zeros(2), torch.tensor([1, 2])).T
        tensor([[3., 6.]])
    """

    field: Field
    scale: float
    null: Cond = None

    def __post_init__(self) -> None:
        check_scale("ClassifierFree", self.scale)

    @property
    def span(self) -> tuple[float, float]:
        """The times at which it may be followed: those of its field."""
        return span_of(self.field)

    @property
    def plain(self) -> Field:
        """The conditional field alone."""
        return replace(self, scale=1.0)

    def with_plain(self, x: State, t: Tensor, cond: Cond = None) -> tuple[State, State]:
        """The guided and the conditional motion, by one evaluation."""
        cond = given(cond)
        weak, strong = stacked(self.field, x, t, null_like(cond, self.null), cond)
        return extrapolate(weak, strong, self.scale), strong

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The guided motion."""
        cond = given(cond)
        if self.scale == 1:
            return self.field(x, t, cond)
        if self.scale == 0:
            return self.field(x, t, null_like(cond, self.null))
        return self.with_plain(x, t, cond)[0]
