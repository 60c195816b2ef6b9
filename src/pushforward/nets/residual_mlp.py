"""A residual network with adaptive normalisation, for vectors."""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond
from pushforward.nets.embeddings import Context
from pushforward.nets.inputs import check_events, check_sizes, widened
from pushforward.nets.layers import modulate, zeroed

__all__ = ["ResidualMLP"]


class ResidualMLP(nn.Module):
    r"""Residual blocks whose normalisation, and whose strength, time and condition set.

    .. math:: h \leftarrow h + g \odot W_2\,\mathrm{silu}\big(W_1 (\mathrm{LN}(h) \odot (1 + s) + b)\big),
              \qquad (b, s, g) = M\, e(t, c)

    `M` and the last layer start at zero, so every block starts as the identity and the network as the zero field.
    One matrix gives the modulations of all blocks: one large product instead of many small ones.

    Source: the adaptive blocks are those of Peebles & Xie, Scalable Diffusion Models with Transformers (ICCV 2023),
        https://arxiv.org/abs/2212.09748 (adaLN-Zero), without attention.

    Args:
        shape: Event shape; flattened inside.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        times: 1, or 2 for flow maps: the network is told from when to when, and says the mean velocity between.
        outputs: Quantities that the head asks for, side by side on the first event axis.
        width: Units of a block.
        depth: Number of blocks.
        context: Size of the embedding of time and condition.

    Shapes: `x` `[B, *shape]`, `t` `[B]` (`[B, 2]` with two times); gives `[B, *shape]`, with the first event axis
        `outputs` times as long.
    Raises: `InvalidInput` for sizes below 1 and states of another shape.

    Example:
        >>> ResidualMLP((8, 8), classes=10)(torch.zeros(5, 8, 8), torch.zeros(5), torch.arange(5)).shape
        torch.Size([5, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        times: int = 1,
        outputs: int = 1,
        width: int = 256,
        depth: int = 4,
        context: int = 128,
    ) -> None:
        super().__init__()
        self.shape = check_sizes(
            "ResidualMLP", shape, outputs=outputs, times=times, width=width, depth=depth, context=context
        )
        self.times = times
        self.answer = widened(self.shape, outputs)
        size = math.prod(self.shape)
        self.context = Context(context, classes=classes, features=features, times=times)
        self.first = nn.Linear(size, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(depth)
        )
        self.modulation = zeroed(nn.Linear(context, (3 * depth + 2) * width))
        self.last = zeroed(nn.Linear(width, outputs * size))

    def forward(
        self, x: Float[Tensor, "b *e"], t: Float[Tensor, "b *times"], cond: Cond = None
    ) -> Float[Tensor, "b *a"]:
        """The network's answer."""
        check_events(x, t, self.shape, self.times)
        *block, shift, scale = self.modulation(self.context(t, cond)).chunk(3 * len(self.blocks) + 2, dim=1)
        h = self.first(x.flatten(1))
        for k, layers in enumerate(self.blocks):
            h = h + block[3 * k + 2] * layers(modulate(h, block[3 * k], block[3 * k + 1]))
        return self.last(modulate(h, shift, scale)).reshape(len(x), *self.answer)
