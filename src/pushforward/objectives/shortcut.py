"""Shortcut models: a step of any dyadic length from two of half the length."""

from dataclasses import dataclass, field

from pushforward.core import Path
from pushforward.objectives.flow_maps import (
    Compose,
    Conditional,
    Dyadic,
    FlowMapMatching,
    Residual,
    VelocityEstimate,
)
from pushforward.objectives.flow_maps.configured import Configured
from pushforward.paths import Affine

__all__ = ["Shortcut"]


@dataclass(frozen=True)
class Shortcut(Configured):
    r"""Steps of length 1, 1/2, 1/4, ... bootstrapped from two steps of half the length.

    .. math:: T = \tfrac12 \big(q_1 + q_2\big), \qquad q_1 = F^-(x_s, s, m), \quad
              q_2 = F^-\big(x_s + \tfrac{t - s}{2} q_1,\ m,\ t\big), \quad m = \tfrac{s + t}{2}

    The fixed point of a jump from 0 to 1 is Euler's method with M steps. Sample with steps that are powers of two.

    Source: Frans et al., One Step Diffusion via Shortcut Models (ICLR 2025), https://arxiv.org/abs/2410.12557. Differs:
        targets come from the weights as they are, not from their average; the network is told both times, not the
        logarithm of the step.

    Args:
        path: On which x_s lies.
        levels: log2 M, >= 1.
        still: Share of the rows that learn the velocity, in [0, 1]; the paper's 3/4.
        velocity: What stands for v(x_s, s).
        residual: How the gap is counted.
        cond_drop: Probability of replacing a row's condition by the null condition.

    Example:
        >>> Shortcut(levels=3).at(1.0).rule.finest
        0.125
    """

    path: Path = field(default_factory=Affine)
    levels: int = 7
    still: float = 0.75
    velocity: VelocityEstimate = field(default_factory=Conditional)
    residual: Residual = field(default_factory=Residual)
    cond_drop: float = 0.0

    def at(self, progress: float) -> FlowMapMatching:
        """The loss, which does not change."""
        rule, intervals = Compose(0.5, finest=2.0**-self.levels), Dyadic(self.levels, self.still)
        return FlowMapMatching(self.path, intervals, self.velocity, rule, self.residual, self.cond_drop)
