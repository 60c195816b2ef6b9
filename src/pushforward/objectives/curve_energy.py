"""The search for a curve of lower transport cost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from pushforward.core import Gen, Loss, Pairs, dot, leaves, require_part
from pushforward.fields import CornerField, Corners
from pushforward.fields.corner_field import consistent, motion
from pushforward.objectives.times import Draw, Stratified
from pushforward.paths import Curve, blend
from pushforward.paths.multi_affine import check_anchors

__all__ = ["CurveEnergy"]


@dataclass(frozen=True)
class CurveEnergy:
    r"""The kinetic energy of the marginal velocity along a curve of the simplex, minimised over the curve.

    .. math:: C[a] = \int_0^1 \mathrm E \Big|\sum_k a'_k(t)\, g_k\big(x(a(t)), a(t)\big)\Big|^2 dt

    What is trained is the curve, a `LearnedCurve`; the conditional means g are given and stay as they are. Every curve
    between two corners moves the one marginal onto the other, so C is bounded below by their W_2^2; also an edge may be
    left for one that takes a share of a third marginal on the way, or passed at another speed.

    C is the energy of a curve in the metric :math:`G_{kl}(a) = \mathrm E[g_k \cdot g_l]` (derived: expand the square),
    so its minimisers are geodesics and have constant kinetic energy in time.

    Source: Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal Generative Modeling with Stochastic Interpolants
        (ICLR 2024), https://arxiv.org/abs/2310.03695.

    Args:
        corners: g(x, a, cond), trained or exact. Freeze a network with `requires_grad_(False)`, which saves its part of
            the backward pass; it is not trained in any case.
        consistent: As in the `Multimarginal` that trained it.
        draw: How the uniform numbers behind a batch of times are drawn.

    Shapes: `pairs` with K anchors `[B, *E]`, with the coupling that g was learned from. Gives a scalar `Loss` with the
        term "energy", summed over coordinates.
    Raises: `Incompatible` at construction for means or a draw that are none; `InvalidInput` for pairs with another
        number of anchors.

    Example:
        >>> g = pf.oracles.IndependentGaussians([[0.0], [3.0]], [1.0, 1.0])
        >>> pairs = g.sample_pairs(1000, generator=torch.Generator().manual_seed(0))
        >>> curve = pf.paths.LearnedCurve(0, 1, marginals=2)
        >>> CurveEnergy(g)(curve, pairs).value > 9  # W_2^2
        tensor(True)
    """

    corners: Corners
    consistent: bool = True
    draw: Draw = field(default_factory=Stratified)

    def __post_init__(self) -> None:
        require_part("CurveEnergy.corners", self.corners, Corners, "a function of x, a and cond, such as a CornerNet")
        require_part("CurveEnergy.draw", self.draw, Draw, "a draw such as Stratified()")

    def __call__(self, net: nn.Module | Callable[..., Any], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The energy of the curve `net`, estimated on a batch of K coupled marginals."""
        a, d_a = net(self.draw(batch.size, leaves(batch.x0)[0], generator=generator))
        check_anchors(batch, a.shape[1])
        x = blend(a, batch.anchors)
        g = self.corners(x, a, batch.cond)
        v = motion(d_a, consistent(g, x, a) if self.consistent else g)
        return Loss.mean({"energy": dot(v, v)}, batch.weight)

    def field(self, net: Curve) -> CornerField:
        """The velocity field along the curve `net`."""
        return CornerField(self.corners, net, consistent=self.consistent)
