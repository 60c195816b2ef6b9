"""The density at the first time of a path."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.config import start
from pushforward.core import AffinePath, Path, State, broadcast_time, leaves
from pushforward.couplings.learned import Gaussian
from pushforward.spaces import Domain

__all__ = ["StartLaw"]


@dataclass(frozen=True)
class StartLaw:
    r"""Law of the states at which sampling starts: standard normal noise, scaled by sigma_t.

    .. math:: \log p(x) = \log N(x / \sigma_t;\ 0, I) - d \log \sigma_t

    A learned source is noise moved by `law`, whose volume is taken off, too. At t = 0 of most schedules sigma is 1.
    What the data adds there (alpha_0 > 0 on diffusion schedules) is neglected, as it is by the sampler, whose density
    this is the start of; `inference.Extrapolated` counts it in. On a convex domain, what errors carried through a wall
    counts as if it were at it. On a curved space the start is the space's noise.

    Args:
        path: Of the flow.
        time: Where sampling starts.
        law: Of a learned source, for the rows that are asked.
    """

    path: Path
    time: float
    law: Gaussian | None = None

    def log_prob(self, x: State) -> Tensor:
        """Log-density `[B]`, in nats."""
        space: Any = self.path.space
        if not isinstance(self.path, AffinePath):
            return space.noise_log_prob(x)
        first = leaves(x)[0]
        t = broadcast_time(self.time, x)
        one = torch.ones((len(t), 1), dtype=first.dtype, device=first.device)
        scale = start(self.path, one, t)
        assert isinstance(scale, Tensor)
        d = sum(math.prod(leaf.shape[1:]) for leaf in leaves(x))
        noise = start(self.path, x, t, law=self.law, back=True)
        if isinstance(space, Domain):
            noise = space.project(noise)
        volume = d * scale[:, 0].log()
        return space.noise_log_prob(noise) - (volume if self.law is None else volume + self.law.log_volume())
