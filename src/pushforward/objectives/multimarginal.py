"""Conditional means of K marginals, at all points of the simplex."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pushforward.core import Gen, Loss, Pairs, leaves, map_state, require_part
from pushforward.fields import CornerField, Dirac
from pushforward.fields.corner_field import check_means, consistent
from pushforward.objectives.simplex import SimplexLaw
from pushforward.paths import Curve, MultiAffine, Polyline, blend
from pushforward.paths.multi_affine import check_anchors

__all__ = ["Multimarginal"]


@dataclass(frozen=True)
class Multimarginal:
    r"""Multimarginal stochastic interpolants: one network for the transport between any two of K marginals, along any
    curve.

    .. math:: x(a) = \sum_k a_k x_k, \qquad
              L(\theta) = \mathrm E_{a \sim p,\ (x_1, \dots, x_K) \sim \pi} \sum_{k:\, a_k \neq 0} \tfrac1d
              \big|g_{\theta, k}(x(a), a) - x_k\big|^2

    A point a of the simplex takes the place of the time. The minimiser is :math:`g_k = \mathrm E[x_k | x(a) = x]`,
    whatever the law p where it is positive, and `field(net, curve)` makes a velocity of it. Between two marginals
    (K = 2) this is flow matching whose network says both ends.

    Source: Albergo, Boffi, Lindsey & Vanden-Eijnden, Multimarginal Generative Modeling with Stochastic Interpolants
        (ICLR 2024), https://arxiv.org/abs/2310.03695. Differs: the means satisfy sum_k a_k g_k = x by construction
        (`consistent`), which a network otherwise learns approximately; and a marginal that has no weight in x(a) is not
        asked for there (`absent`): no velocity along that edge or face needs it, and its noise, all that is left of it
        where the marginals are independent, would slow the others.

    Args:
        law: Law p of a. Draw where curves will pass: `OnCurves.edges(K)` for transport along edges, `Flat(K)` for all
            curves, `Mixed` for both.
        noise: The marginal that is standard normal and independent of the others, so that fields have a score.
        consistent: Whether the network's means are projected onto sum_k a_k g_k = x.
        absent: Whether marginals with a_k = 0 are asked for, too, as in the paper: what x tells of them through the
            coupling.

    Shapes: `pairs` with K anchors `[B, *E]`; the network is `net(x, a, cond)` with `a` `[B, K]` and answers
        `[B, K, *E]`, as `nets.CornerNet`. Gives a scalar `Loss` with one term.
    Raises: `Incompatible` at construction for a law that is none; `InvalidInput` for pairs with another number of
        anchors, and answers of another shape.

    Example:
        >>> objective = Multimarginal(pf.objectives.OnCurves.edges(3))
        >>> net = pf.nets.CornerNet(pf.nets.MLP((3 * 2,), features=3), marginals=3)
        >>> pairs = pf.couplings.Chain()([torch.randn(8, 2) for _ in range(3)])
        >>> objective(net, pairs).value.backward()
        >>> back = objective.field(net, pf.paths.Polyline.edge(2, 1, marginals=3))
        >>> pf.solve(back, torch.randn(8, 2), [0.0, 0.5, 1.0], solver=pf.solvers.RK4()).x.shape
        torch.Size([8, 2])
    """

    law: SimplexLaw
    noise: int | None = None
    consistent: bool = True
    absent: bool = False

    def __post_init__(self) -> None:
        require_part("Multimarginal.law", self.law, SimplexLaw, "a law of points, such as OnCurves.edges(3)")

    @property
    def marginals(self) -> int:
        """K."""
        return self.law.marginals

    @property
    def path(self) -> MultiAffine:
        """The edge from the first marginal to the last, which `field` follows unless it is told otherwise."""
        return MultiAffine(Polyline.edge(0, self.marginals - 1, marginals=self.marginals))

    def __call__(self, net: nn.Module | Callable[..., Any], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of K coupled marginals."""
        check_anchors(batch, self.marginals)
        a = self.law(batch.size, leaves(batch.x0)[0], generator=generator)
        x = blend(a, batch.anchors)
        g = net(x, a, batch.cond)
        check_means(g, x, a)
        g = consistent(g, x, a) if self.consistent else g
        errors = torch.stack(
            [Dirac(map_state(lambda leaf, k=k: leaf[:, k], g)).loss(x_k) for k, x_k in enumerate(batch.anchors)], 1
        )
        asked = errors if self.absent else torch.where(a == 0, 0.0, errors)
        return Loss.mean({"fit": asked.sum(1)}, batch.weight)

    def field(self, net: nn.Module | Callable[..., Any], curve: Curve | None = None) -> CornerField:
        """The velocity field that `net` has learned along `curve`; None is the edge from the first to the last."""
        return CornerField(net, self.path.curve if curve is None else curve, self.noise, self.consistent)
