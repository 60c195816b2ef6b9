"""SplitMeanFlow: one long step equals two shorter ones."""

from dataclasses import dataclass, field

from pushforward.core import Path
from pushforward.objectives.flow_maps import (
    Compose,
    Conditional,
    FlowMapMatching,
    Intervals,
    Residual,
    SortedPair,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.objectives.times import Uniform
from pushforward.paths import Affine

__all__ = ["SplitMeanFlow"]


@dataclass(frozen=True)
class SplitMeanFlow(Configured):
    r"""Mean velocities by the additivity of the integral, without a derivative.

    .. math:: T = a\, F^-(x_s, s, m) + (1 - a)\, F^-(x_m, m, t), \qquad
              m = s + a (t - s), \quad a \sim U(0, 1), \quad x_m = x_s + (m - s)\, F^-(x_s, s, m)

    Rows with s = t learn the velocity and are what the rest hangs on: without them any constant is a fixed point. They
    alone see the data (or the teacher), so that this rule has no bias from noisy velocities.

    Source: Guo et al., SplitMeanFlow: Interval Splitting Consistency in Few-Step Generative Modeling (2025),
        https://arxiv.org/abs/2507.16884; no official code. Its law of times is not known here; uniform ones reach the
        long intervals, which logit-normal ones leave to chance (8 Gaussians, one step: sliced W2 0.14 against 0.3).

    Args:
        path: On which x_s lies.
        intervals: Law of s <= t, with some rows s = t.
        velocity: What stands for v(x_s, s); `Teacher(field)` is the paper's deployed recipe.
        residual: How the gap is counted.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> net = pf.nets.MLP((2,), times=2)
        >>> sorted(SplitMeanFlow()(net, pf.core.Pairs((torch.randn(8, 2), torch.randn(8, 2)))).terms)
        ['fit']
    """

    path: Path = field(default_factory=Affine)
    intervals: Intervals = field(default_factory=lambda: SortedPair(Uniform(), still=0.5))
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=Residual)
    cond_drop: float = 0.0

    def at(self, progress: float) -> FlowMapMatching:
        """The loss, which does not change."""
        return FlowMapMatching(self.path, self.intervals, self.velocity, Compose(), self.residual, self.cond_drop)
