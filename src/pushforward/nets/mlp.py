"""The plain network of the flow-matching tutorials."""

import math
from collections.abc import Sequence
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, nearest, require
from pushforward.nets.embeddings import ConditionEmbedding
from pushforward.nets.inputs import check_events, check_sizes, widened
from pushforward.nets.selu import SELU

__all__ = ["MLP"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "selu": SELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


class MLP(nn.Module):
    r"""Linear layers on the flattened state and the time.

    .. math:: W_{n+1}\, a(W_n \cdots a(W_1 [x, \omega(x), t] + b_1 + e(c)) \cdots + b_n) + b_{n+1}, \qquad
              \omega(x) = (\sin 2^k x, \cos 2^k x)_{k=1}^{K}

    The time, and with two times the gap, enters as a plain number: under bf16 autocast it keeps 8 bits, where the other
    networks keep all.

    Source: with the defaults this is the network of torchcfm's tutorials
        (https://github.com/atong01/conditional-flow-matching), layer for layer, PyTorch's initialisation included.

    Args:
        shape: Event shape.
        classes: Number of labels, for label conditions.
        features: Size of a vector condition.
        times: 1, or 2 for flow maps: the network is told from when to when, and says the mean velocity between.
        outputs: Quantities that the head asks for, side by side on the first event axis.
        width: Units of a hidden layer.
        depth: Number of hidden layers, >= 1.
        waves: K, octaves of sines and cosines of the state that are told beside it, for fields with fine structure;
            0 for none.
        activation: gelu, relu, selu, silu, softplus or tanh; or a module class that is built without arguments.

    Shapes: `x` `[B, *shape]`, `t` `[B]` (`[B, 2]` with two times); gives `[B, *shape]`, with the first event axis
        `outputs` times as long.
    Raises: `InvalidInput` for unknown activations, sizes below 1 and states of another shape.

    Example:
        >>> MLP((2,))(torch.zeros(5, 2), torch.zeros(5)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        classes: int | None = None,
        features: int | None = None,
        times: int = 1,
        outputs: int = 1,
        width: int = 64,
        depth: int = 3,
        waves: int = 0,
        activation: str | type[nn.Module] = "selu",
    ) -> None:
        super().__init__()
        self.shape = check_sizes("MLP", shape, outputs=outputs, times=times, width=width, depth=depth)
        self.times = times
        self.answer = widened(self.shape, outputs)
        if isinstance(activation, str):
            require(
                activation in _ACTIVATIONS, f"unknown activation {activation!r}, {nearest(activation, _ACTIVATIONS)}"
            )
            activation = _ACTIVATIONS[activation]
        size = math.prod(self.shape)
        require(waves >= 0, f"waves is a number of octaves, got {waves}; 0 for none")
        self.waves = waves
        self.first = nn.Linear(size * (1 + 2 * waves) + times, width)
        hidden = chain.from_iterable((activation(), nn.Linear(width, width)) for _ in range(depth - 1))
        self.rest = nn.Sequential(*hidden, activation(), nn.Linear(width, outputs * size))
        self.condition = ConditionEmbedding(width, classes=classes, features=features)

    def forward(
        self, x: Float[Tensor, "b *e"], t: Float[Tensor, "b *times"], cond: Cond = None
    ) -> Float[Tensor, "b *a"]:
        """The network's answer."""
        check_events(x, t, self.shape, self.times)
        told = t[:, None] if self.times == 1 else torch.stack([t[:, 0], t[:, 1] - t[:, 0]], 1)
        flat = x.flatten(1)
        octaves = [f(2.0**k * flat) for k in range(1, self.waves + 1) for f in (torch.sin, torch.cos)]
        h = self.first(torch.cat([flat, *octaves, told.to(x.dtype)], 1))
        return self.rest(self.condition(h, cond)).reshape(len(x), *self.answer)
