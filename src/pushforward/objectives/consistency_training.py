"""Consistency training: jumps to the data that agree between neighbouring times."""

from dataclasses import dataclass, field

from pushforward.core import Path, require
from pushforward.objectives.flow_maps import (
    Compose,
    Conditional,
    FlowMapMatching,
    Residual,
    ToEnd,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.objectives.times import LogitNormal, TimeLaw
from pushforward.paths import Affine

__all__ = ["ConsistencyTraining"]


@dataclass(frozen=True)
class ConsistencyTraining(Configured):
    r"""Jumps to t = 1 from two neighbouring points of a line must agree; the points move together in stages.

    .. math:: T = a\, \tilde v + (1 - a)\, F^-(x_m, m, 1), \qquad m = s + a (1 - s), \quad
              a = q^{-(\lfloor n k \rfloor + 1)}

    with k the share of the training that is done. In data this is the distance of X(x_s, s, 1) from X(x_m, m, 1): m - s
    is a share a of the noise that is left, as in the schedule of Geng et al. A fixed a is biased with the data's own
    velocity: what is learned is good only if the last a is small.

    Under `Joint(VariationalNoise(...), ConsistencyTraining())` the noise is chosen by an encoder (VCT).

    Source: Song et al., Consistency Models (ICML 2023), https://arxiv.org/abs/2303.01469; Geng et al., Consistency
        Models Made Easy (2024), https://arxiv.org/abs/2406.14548, the schedule with k = 0 there; Silvestri et al.,
        Training Consistency Models with Variational Noise Coupling (2025), https://arxiv.org/abs/2502.18197. Differs:
        the network says the mean velocity to t = 1, whose limits at both ends take the place of c_skip and c_out.

    Args:
        path: On which x_s lies.
        stages: n >= 1.
        ratio: q > 1.
        times: Law of s.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> [ConsistencyTraining().at(progress).rule.fraction for progress in (0.0, 0.5, 1.0)]
        [0.5, 0.03125, 0.00390625]
    """

    path: Path = field(default_factory=Affine)
    stages: int = 8
    ratio: float = 2.0
    times: TimeLaw = field(default_factory=lambda: LogitNormal(0.4))
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=Residual)
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        require(self.stages >= 1, f"stages is {self.stages}, expected at least 1")
        require(self.ratio > 1, f"ratio is {self.ratio}, expected a number > 1: the gap shrinks")
        super().__post_init__()

    def at(self, progress: float) -> FlowMapMatching:
        """The loss of the stage that is due."""
        stage = min(int(progress * self.stages), self.stages - 1)
        rule = Compose(self.ratio ** -(stage + 1), own=False, scaled=True)
        intervals = ToEnd(self.times)
        return FlowMapMatching(self.path, intervals, self.velocity, rule, self.residual, self.cond_drop)
