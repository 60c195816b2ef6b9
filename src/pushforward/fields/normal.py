"""A normal law with one width per row."""

import math
from typing import NamedTuple

from torch import Tensor

from pushforward.core import Gen, State, align, dot, event_size, like, map_state, randn_like

__all__ = ["Normal"]


class Normal(NamedTuple):
    r"""Independent normal coordinates around `mean`, all of a row with one standard deviation.

    .. math:: \log N(y; m, \sigma^2 I) = -\frac{\lVert y - m\rVert^2}{2\sigma^2} - \frac d2 \log(2\pi\sigma^2)

    Shapes: `mean` and targets `[B, *E]` (or mappings), `std` `[B]`, >= 0; where it is 0 the law is a point and has no
        density (`log_prob` gives NaN or an infinity).

    Example:
        >>> Normal(torch.zeros(1, 2), torch.ones(1)).log_prob(torch.zeros(1, 2))
        tensor([-1.8379])
    """

    mean: State
    std: Tensor

    def log_prob(self, y: State) -> Tensor:
        """Log-density `[B]`, in nats."""
        gap = map_state(lambda m, p: (p - m) / align(self.std, m), self.mean, y)
        return -0.5 * dot(gap, gap) - event_size(y) * (self.std.log() + 0.5 * math.log(2 * math.pi))

    def loss(self, target: State) -> Tensor:
        """Negative log-likelihood `[B]` per coordinate."""
        return -self.log_prob(target) / event_size(target)

    def sample(self, *, generator: Gen = None) -> State:
        """One draw for every row."""
        return map_state(lambda m: like(m + align(self.std, m) * randn_like(m, generator=generator), m), self.mean)
