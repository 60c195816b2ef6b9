"""AlphaFlow: from trajectory flow matching to MeanFlow."""

import math
from dataclasses import dataclass, field

from pushforward.core import Path, require
from pushforward.objectives.flow_maps import (
    Compose,
    Conditional,
    FlowMapMatching,
    Intervals,
    Residual,
    SortedPair,
    Tangent,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.paths import Affine

__all__ = ["AlphaFlow"]


@dataclass(frozen=True)
class AlphaFlow(Configured):
    r"""One family from trajectory flow matching (alpha = 1) to MeanFlow (alpha = 0), with alpha falling on the way.

    .. math:: T = \alpha\, \tilde v + (1 - \alpha)\, F^-(x_s + (m - s)\tilde v, m, t), \quad m = s + \alpha (t - s),
              \qquad L = \mathrm E\, \tfrac1\alpha \lVert F - T \rVert^2

    .. math:: \alpha(k) = 1 - \mathrm{sigmoid}\Big(\gamma\, \frac{k - (b + e)/2}{e - b}\Big)

    with k the share of the training that is done, and alpha held at 1 or 0 where it is nearer than `clamp`. With the
    data's own velocity the target is biased for 0 < alpha < 1, so that the last part, with alpha = 0, is not optional.

    Source: Zhang et al., AlphaFlow: Understanding and Improving MeanFlow Models (2025),
        https://arxiv.org/abs/2510.20771. Differs: the floor of the adaptive weight scales with alpha^2 (the gap is read
        in units of alpha), without which the gradient dies out as alpha falls.

    Args:
        path: On which x_s lies.
        intervals: Law of s <= t.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted.
        begin: b, share of the training before which alpha is 1.
        end: e > b, share after which alpha is 0.
        gamma: Steepness.
        clamp: How near to 0 or 1 alpha may come before it is held there.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Raises: `InvalidInput` for an `end` that does not follow `begin`.

    Example:
        >>> [round(AlphaFlow().alpha(progress), 3) for progress in (0.0, 0.45, 0.5, 0.55, 1.0)]
        [1.0, 0.777, 0.5, 0.223, 0.0]
    """

    path: Path = field(default_factory=Affine)
    intervals: Intervals = field(default_factory=lambda: SortedPair(still=0.5))
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=Residual)
    begin: float = 0.0
    end: float = 1.0
    gamma: float = 25.0
    clamp: float = 5e-3
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        require(self.begin < self.end, f"alpha falls between begin={self.begin} and end={self.end}; let it begin first")
        require(0 < self.clamp < 0.5, f"clamp is {self.clamp}, expected a number in (0, 1/2)")
        super().__post_init__()

    def alpha(self, progress: float) -> float:
        """alpha at a share `progress` of the training."""
        place = (progress - (self.begin + self.end) / 2) / (self.end - self.begin)
        alpha = 1 - 1 / (1 + math.exp(-self.gamma * place))
        if progress <= self.begin or alpha > 1 - self.clamp:
            return 1.0
        return 0.0 if progress >= self.end or alpha < self.clamp else alpha

    def at(self, progress: float) -> FlowMapMatching:
        """The loss with the alpha that is due."""
        alpha = self.alpha(progress)
        rule = Compose(alpha, own=False, scaled=True) if alpha > 0 else Tangent()
        return FlowMapMatching(self.path, self.intervals, self.velocity, rule, self.residual, self.cond_drop)
