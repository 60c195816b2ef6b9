"""Autoguidance."""

from dataclasses import dataclass

from torch import Tensor

from pushforward.core import Cond, Field, State, span_of
from pushforward.guidance.extrapolation import check_scale, extrapolate

__all__ = ["Autoguidance"]


@dataclass(frozen=True)
class Autoguidance:
    r"""Extrapolates from a worse field of the same task through the good one.

    .. math:: v_w(x, t \mid c) = v_{\mathrm{bad}}(x, t \mid c)
              + w\,\big(v_{\mathrm{good}}(x, t \mid c) - v_{\mathrm{bad}}(x, t \mid c)\big)

    Moves mass to where the good model has relatively more of it, without the loss of diversity of classifier-free
    guidance. The bad model must fail in the same way, only more: smaller, or trained for less. For centred Gaussians
    of variances S and S' the result has :math:`S^w S'^{1-w}`.

    Source: Karras et al., Guiding a Diffusion Model with a Bad Version of Itself (NeurIPS 2024),
        https://arxiv.org/abs/2406.02507. There denoisers are mixed; on an affine path that is the same.

    Args:
        good: The field to improve.
        bad: Its worse version, under the same condition; `lambda x, t, cond: bad(x, t, null_condition(cond))` adds
            classifier-free guidance.
        scale: w, finite and >= 0; published presets lie near 2. 1 gives the good field bit for bit and spares the
            bad one.

    Shapes: `x` `[B, *E]`, `t` `[B]`; gives `[B, *E]`.
    Raises: `InvalidInput` for a negative or non-finite scale.

    Example:
        >>> good, bad = (lambda x, t, cond: -x), (lambda x, t, cond: -x / 2)
        >>> Autoguidance(good, bad, 2.0)(torch.ones(1, 1), torch.ones(1))
        tensor([[-1.5000]])
    """

    good: Field
    bad: Field
    scale: float

    def __post_init__(self) -> None:
        check_scale("Autoguidance", self.scale)

    @property
    def span(self) -> tuple[float, float]:
        """The times at which it may be followed: those of both fields."""
        return span_of(self.good, self.bad)

    @property
    def plain(self) -> Field:
        """The good field alone."""
        return self.good

    def with_plain(self, x: State, t: Tensor, cond: Cond = None) -> tuple[State, State]:
        """The guided and the good motion."""
        strong = self.good(x, t, cond)
        return extrapolate(self.bad(x, t, cond), strong, self.scale), strong

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The guided motion."""
        return self.good(x, t, cond) if self.scale == 1 else self.with_plain(x, t, cond)[0]
