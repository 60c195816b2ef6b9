"""Modular MeanFlow: part of the gradient through the derivative."""

from dataclasses import dataclass, field

from pushforward.core import Path, require
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
from pushforward.paths import Affine

__all__ = ["ModularMeanFlow"]


@dataclass(frozen=True)
class ModularMeanFlow(Configured):
    r"""MeanFlow with a share of the gradient that passes through the derivative, raised from 0 to 1.

    .. math:: L_\lambda = \mathrm E\, \Big\lVert F - \tilde v
              - (t - s)\, \mathrm{SG}_\lambda\Big[\frac{dF}{ds}\Big] \Big\rVert^2, \qquad
              \mathrm{SG}_\lambda[z] = \lambda z + (1 - \lambda)\, \mathrm{sg}[z]

    The value does not depend on lambda, its gradient does: lambda = 0 is MeanFlow. With the data's own velocity lambda
    > 0 also rewards maps that contract (derived: the expected loss then holds tr(A Cov[v | x] A^T), A the Jacobian of
    the map), so that only lambda = 0 learns the mean velocity.

    Source: You et al., Modular MeanFlow (2025), https://arxiv.org/abs/2508.17426; no official code. Its length of the
        warm-up is not known here.

    Args:
        path: On which x_s lies.
        intervals: Law of s <= t.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted.
        warm: Share of the training in which lambda rises, in (0, 1].
        most: Where it stays, in [0, 1].
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> [ModularMeanFlow().at(progress).rule.through for progress in (0.0, 0.25, 1.0)]
        [0.0, 0.5, 1.0]
    """

    path: Path = field(default_factory=Affine)
    intervals: Intervals = field(default_factory=SortedPair)
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=Residual)
    warm: float = 0.5
    most: float = 1.0
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        require(0 < self.warm <= 1, f"warm is a share of the training, got {self.warm}; choose one in (0, 1]")
        require(0 <= self.most <= 1, f"most is a share of the gradient, got {self.most}; choose one in [0, 1]")
        super().__post_init__()

    def at(self, progress: float) -> FlowMapMatching:
        """The loss with the share that is due."""
        rule = Tangent(through=self.most * min(1.0, progress / self.warm))
        return FlowMapMatching(self.path, self.intervals, self.velocity, rule, self.residual, self.cond_drop)
