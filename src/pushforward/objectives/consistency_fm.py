"""Consistency flow matching: straight flows in a few segments."""

from dataclasses import dataclass, field

from pushforward.core import Path, require
from pushforward.objectives.flow_maps import (
    Conditional,
    FlowMapMatching,
    Residual,
    Segment,
    ToEnd,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.objectives.times import TimeLaw, Uniform
from pushforward.paths import Affine

__all__ = ["ConsistencyFM"]


@dataclass(frozen=True)
class ConsistencyFM(Configured):
    r"""Velocities whose straight lines to the end of their segment agree between neighbouring times.

    .. math:: L = \mathrm E\, \big\lVert f(x_s, s) - \mathrm{sg} f(x_m, m) \big\rVert^2
              + \lambda \lVert F(x_s, s) - \mathrm{sg} F(x_m, m) \rVert^2, \qquad f(x, s) = x + (T_i - s) F(x, s)

    Sample with exactly as many steps as there are segments: more do not help, as F is the mean velocity to the end of
    the segment. The first part of the training is flow matching, weighted by (T_i - s)^2; consistency comes after it.

    Source: Yang et al., Consistency Flow Matching: Defining Straight Flows with Velocity Consistency (2024),
        https://arxiv.org/abs/2407.02398. Differs: the network is told the segment's end.

    Args:
        path: On which x_s and x_m lie; the line through x_s along its motion.
        segments: K >= 1.
        gap: m - s > 0.
        strength: lambda >= 0.
        boundary: Time from which data stand in for the network in the second part, in (0, 1].
        begin: Share of the training that is the first part, in [0, 1].
        times: Law of s.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted; the paper's is plain.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> ConsistencyFM().at(0.2).rule.boundary, ConsistencyFM().at(0.8).rule.boundary
        (0.0, 0.9)
    """

    path: Path = field(default_factory=Affine)
    segments: int = 2
    gap: float = 1e-3
    strength: float = 1e-5
    boundary: float = 0.9
    begin: float = 0.5
    times: TimeLaw = field(default_factory=Uniform)
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=lambda: Residual(0.0))
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.begin <= 1, f"begin is a share of the training, got {self.begin}; choose one in [0, 1]")
        require(0 < self.boundary <= 1, f"boundary is {self.boundary}, expected a time in (0, 1]")
        super().__post_init__()

    def at(self, progress: float) -> FlowMapMatching:
        """The loss of the part of the training that it is in."""
        rule = Segment(self.gap, 0.0 if progress < self.begin else self.boundary, self.strength)
        intervals = ToEnd(self.times, self.segments)
        return FlowMapMatching(self.path, intervals, self.velocity, rule, self.residual, self.cond_drop)
