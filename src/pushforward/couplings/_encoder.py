"""The network behind a learned Gaussian."""

import math
from collections.abc import Sequence
from itertools import chain

from torch import Tensor, nn

from pushforward.core import require
from pushforward.couplings.learned import Gaussian
from pushforward.nets.layers import zeroed

LEAST_STD = 1e-3


class GaussianHead(nn.Module):
    r"""Hidden units to a Gaussian; starts as N(0, I), to the bit.

    .. math:: s = 1 + (1 - s_{\min})\,\big(\mathrm{softplus}(r) / \mathrm{softplus}(0) - 1\big) > s_{\min}

    The last layer starts at zero, so that training departs from the independent coupling.

    Shapes: `[B, width]` gives a Gaussian of `[B, *shape]`.
    """

    def __init__(self, shape: Sequence[int], width: int, depth: int) -> None:
        super().__init__()
        require(width >= 1 and depth >= 1, f"got width={width} and depth={depth}, expected at least 1 of both")
        self.shape = tuple(shape)
        size = math.prod(self.shape)
        layers = chain.from_iterable((nn.SiLU(), nn.Linear(width, width)) for _ in range(depth - 1))
        self.layers = nn.Sequential(*layers, nn.SiLU(), zeroed(nn.Linear(width, 2 * size)))

    def forward(self, h: Tensor, like: Tensor) -> Gaussian:
        """The Gaussian, in the dtype of `like`: autocast may have run the layers in a lower one."""
        mean, raw = self.layers(h).to(like.dtype).chunk(2, 1)
        one = nn.functional.softplus(raw.new_zeros(()))
        std = 1 + (1 - LEAST_STD) * (nn.functional.softplus(raw) / one - 1)
        return Gaussian(mean.reshape(-1, *self.shape), std.reshape(-1, *self.shape))
