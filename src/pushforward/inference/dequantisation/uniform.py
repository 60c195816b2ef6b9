"""Uniform noise."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, event_size, rand
from pushforward.inference.dequantisation.base import Draws

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform:
    r"""Uniform noise over the whole cell.

    .. math:: y = x + h u, \quad u \sim U[-1, 1)^d, \qquad \log q = -d \log(2h)

    For models that were trained on data with this noise (`data.Dequantise`). Trained on the bare values, a model puts
    its mass at the middles, and this noise finds little of it.

    Source: Theis, van den Oord & Bethge, A note on the evaluation of generative models (ICLR 2016),
        https://arxiv.org/abs/1511.01844.

    Example:
        >>> Uniform()(torch.zeros(1, 3), 0.5).log_q
        tensor([-0.])
    """

    def __call__(self, x: Float[Tensor, "b *e"], half: float, *, generator: Gen = None) -> Draws:
        """One draw for every row."""
        u = rand(x.shape, x, generator=generator).to(x.dtype)
        return Draws(x + half * (2 * u - 1), x.new_full((len(x),), -event_size(x) * math.log(2 * half)))
