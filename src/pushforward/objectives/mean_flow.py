"""MeanFlow: the mean velocity by its own differential identity."""

from dataclasses import dataclass, field

from pushforward.core import Path
from pushforward.objectives.flow_maps import (
    Conditional,
    FlowMapMatching,
    Intervals,
    Residual,
    SortedPair,
    Tangent,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.objectives.times import Uniform
from pushforward.paths import Affine

__all__ = ["MeanFlow"]


@dataclass(frozen=True)
class MeanFlow(Configured):
    r"""Mean velocities from data alone, by one derivative along the flow.

    .. math:: L = \mathrm E\, \Big\lVert F_\theta(x_s, s, t)
              - \mathrm{sg}\big[\tilde v + (t - s)(\partial_s F + J_x F\, \tilde v)\big] \Big\rVert^2

    One call takes noise to data: x1 = x0 + F(x0, 0, 1). With `velocity=Teacher(field)` it distils a field instead, and
    with `Guided()` it learns guidance, at no cost when sampling.

    Source: Geng et al., Mean Flows for One-step Generative Modeling (2025), https://arxiv.org/abs/2505.13447. Differs:
        time runs from noise to data; the residual is plain below 100 coordinates, where the paper's weight (p = 1)
        learns a mode and not the mean (see `Residual`); times are uniform, not logit-normal, which seldom asks for the
        whole way: 0.10 against 0.29 for one call in `pushforward bench few_step_2d`.

    Args:
        path: On which x_s lies.
        intervals: Law of s <= t.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted.
        difference: Step of a central difference in the place of forward mode, see `Tangent`.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> net = pf.nets.MLP((2,), times=2)
        >>> loss = MeanFlow()(net, pf.core.Pairs((torch.randn(8, 2), torch.randn(8, 2))))
        >>> one_step = pf.solve(MeanFlow().flow_map(net), torch.randn(5, 2), [0.0, 1.0], solver=pf.solvers.Jump()).x
    """

    path: Path = field(default_factory=Affine)
    intervals: Intervals = field(default_factory=lambda: SortedPair(Uniform(), still=0.75))
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=Residual)
    difference: float | None = None
    cond_drop: float = 0.0

    def at(self, progress: float) -> FlowMapMatching:
        """The loss, which does not change."""
        rule = Tangent(difference=self.difference)
        return FlowMapMatching(self.path, self.intervals, self.velocity, rule, self.residual, self.cond_drop)
