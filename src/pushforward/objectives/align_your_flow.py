"""Align Your Flow: a flow map distilled from a velocity."""

from dataclasses import dataclass, field

from pushforward.core import Field, Path, require
from pushforward.objectives.flow_maps import (
    FlowMapMatching,
    Intervals,
    Lagrange,
    Residual,
    Tangent,
    Teacher,
    UniformStart,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.paths import Affine

__all__ = ["AlignYourFlow"]


@dataclass(frozen=True)
class AlignYourFlow(Configured):
    r"""A teacher's velocity distilled into the flow map between any two times.

    .. math:: g = v_T - F^- + r (t - s) \frac{dF^-}{ds} \ \text{(Eulerian)}, \qquad
              g = v_T(X^-, t) - F^- - (t - s)\, \partial_t F^- \ \text{(Lagrangian)}

    and F is moved along :math:`g / \sqrt{|g|^2 + c^2}`: the whole tangent is normalised, so that the mean velocity
    stays a fixed point. r rises with the training from 0, where F = v is learned, to `ratio`.

    Source: Sabour et al., Align Your Flow: Scaling Continuous-Time Flow Map Distillation (2025),
        https://arxiv.org/abs/2506.14603; no official code. Differs: the gap is a mean over coordinates and normalised
        by the square root above, not by |g| + c; r ends at 1, as 0.99 leaves a bias. The paper's adversarial finish is
        not here, and its student that is told the strength of autoguidance is one strength at a time here.

    Args:
        teacher: The velocity, on the same path; `guidance.Autoguidance(field, weak, scale)` is the paper's.
        path: On which x_s lies.
        rule: `Tangent()` for the Eulerian form, `Lagrange()` for the other.
        intervals: Law of s <= t.
        warm: Share of the training in which r rises, in [0, 1]; Eulerian form only.
        residual: How the gap is counted; p = 1/2 normalises it.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> teacher = pf.oracles.reference_mixture().along(pf.paths.Affine())
        >>> batch = pf.core.Pairs((torch.randn(8, 2), torch.randn(8, 2)))
        >>> loss = AlignYourFlow(teacher, rule=Lagrange())(pf.nets.MLP((2,), times=2), batch)
    """

    teacher: Field
    path: Path = field(default_factory=Affine)
    rule: Tangent | Lagrange = field(default_factory=Tangent)
    intervals: Intervals = field(default_factory=UniformStart)
    warm: float = 0.1
    residual: Residual = field(default_factory=lambda: Residual(0.5, 0.01))
    cond_drop: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.warm <= 1, f"warm is a share of the training, got {self.warm}; choose one in [0, 1]")
        super().__post_init__()

    def at(self, progress: float) -> FlowMapMatching:
        """The loss with the r that is due."""
        rule = self.rule
        if isinstance(rule, Tangent) and progress < self.warm:
            rule = Tangent(rule.ratio * progress / self.warm, rule.through, rule.difference)
        return FlowMapMatching(self.path, self.intervals, Teacher(self.teacher), rule, self.residual, self.cond_drop)
