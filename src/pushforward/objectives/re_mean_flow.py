"""Re-MeanFlow: mean velocities on the pairs of a trained flow."""

from dataclasses import dataclass, field

from pushforward.core import Path
from pushforward.objectives.flow_maps import (
    Conditional,
    FlowMapMatching,
    Intervals,
    Residual,
    StartAndGap,
    Tangent,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.paths import Affine

__all__ = ["ReMeanFlow"]


@dataclass(frozen=True)
class ReMeanFlow(Configured):
    r"""`MeanFlow` on the pairs that a trained flow makes, whose lines hardly cross.

    .. math:: x_s = (1 - s)\, x_0 + s\, x_1', \qquad \tilde v = x_1' - x_0, \qquad x_1' = X_{0,1}(x_0)

    Where no two lines meet, the velocity of a pair is the marginal one: its noise, which is most of MeanFlow's, is
    gone, and the mean velocity does not depend on s and t. Then an adaptive weight learns the mean, too, in any
    dimension. The pairs come from `flow.couples` and stay as they are (`couplings.Paired`), the longest of them left
    out by `couplings.Truncated`. Their errors are the teacher's; never pair its noise with other data. With independent
    pairs this is `MeanFlow` with other times and another residual.

    Source: Zhang et al., Flow Straighter and Faster: Efficient One-Step Generative Modeling via MeanFlow on Rectified
        Trajectories (2025), https://arxiv.org/abs/2511.23342. Differs: guidance, of random strength in the second half
        of the paper's training, is `velocity=Guided(...)` of one strength.

    Args:
        path: On which x_s lies.
        intervals: Law of s <= t.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted; by a mean over coordinates, as in the paper.
        difference: Step of a central difference in the place of forward mode, see `Tangent`.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> from pushforward.flow import couples
        >>> x0, x1, _ = couples(pf.Flow("moons").fit(torch.randn(100, 2), steps=2), 50, steps=4)
        >>> pairs = pf.couplings.Truncated(longest=2.0)(x0, x1)
        >>> loss = ReMeanFlow()(pf.nets.MLP((2,), times=2), pairs)
    """

    path: Path = field(default_factory=Affine)
    intervals: Intervals = field(default_factory=StartAndGap)
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=lambda: Residual(0.5, 1e-2))
    difference: float | None = None
    cond_drop: float = 0.0

    def at(self, progress: float) -> FlowMapMatching:
        """The loss, which does not change."""
        rule = Tangent(difference=self.difference)
        return FlowMapMatching(self.path, self.intervals, self.velocity, rule, self.residual, self.cond_drop)
