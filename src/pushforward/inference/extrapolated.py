"""The law at the beginning of a field's span, where that is after t = 0."""

import dataclasses
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Divergence, Exact, Gen, broadcast_time, require, span_of
from pushforward.spaces import Euclidean

__all__ = ["Extrapolated"]


@dataclasses.dataclass(frozen=True)
class Extrapolated:
    r"""The source, carried to the time s at which a field may first be followed, by one step of its velocity there.

    .. math:: \log p_s(x) = \log p_0\big(x - s\,v(x, s)\big) - s\,\nabla\!\cdot v(x, s) + O(s^2)

    For the heads whose velocity is 0/0 at t = 0 (`Noise` and `Score` on paths with alpha_0 = 0, s = 1e-3): what the
    data has added to the state by then, alpha_s x1, is worth about 1e-3 nats times x . E[x1], and sigma_s < 1 as much
    again. It is the change of variables that `log_prob` integrates (derived), so it holds for every coupling, and is
    the source itself where s = 0.

    Args:
        field: What is followed; its `span` says s.
        source: Law at t = 0, with `log_prob(x) -> [B]`; None for standard normal noise.
        cond: Condition of every row.
        divergence: How the divergence is found; random probes are not kept here, so give it a generator.
        generator: Draws them.

    Example:
        >>> law = Extrapolated(lambda x, t, cond: x)
        >>> law.log_prob(torch.zeros(1, 2))
        tensor([-1.8379])
    """

    field: Any
    source: Any = None
    cond: Cond = None
    divergence: Divergence = dataclasses.field(default_factory=Exact)
    generator: Gen = None

    def __post_init__(self) -> None:
        low = span_of(self.field)[0]
        require(low < 0.1, f"the field's span starts at {low:g}, too late for one step from t = 0; solve it from there")

    def log_prob(self, x: Float[Tensor, "b *e"]) -> Float[Tensor, " b"]:
        """Log-density `[B]` at the beginning of the span, in nats."""
        density = Euclidean().noise_log_prob if self.source is None else self.source.log_prob
        s = span_of(self.field)[0]
        if s == 0:
            return density(x)
        t = broadcast_time(s, x)
        probes = self.divergence.probes(x, generator=self.generator)
        v, div = self.divergence(lambda x: self.field(x, t, self.cond), x, probes)
        return density(x - s * v) - s * div
