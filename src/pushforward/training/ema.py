"""The running average of the weights: what is validated, sampled and kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from pushforward.training.weights import tensors_of

__all__ = ["EMA"]


class EMA:
    r"""Exponential moving average of a module's floating parameters and buffers.

    .. math:: \bar\theta_k = d_k \bar\theta_{k-1} + (1 - d_k)\,\theta_k,
              \qquad d_k = \min\Big(d, \frac{1 + k}{10 + k}\Big)

    The smaller first decays forget the initial weights; otherwise short runs would keep a share of them.

    Source: Polyak & Juditsky, Acceleration of stochastic approximation by averaging (1992); the warm-up is that of
        TensorFlow's ExponentialMovingAverage.

    Args:
        module: Whose weights; already on its device, and updated in place afterwards.
        decay: `d` in `[0, 1)`.

    Example:
        >>> net = torch.nn.Linear(1, 1)
        >>> ema = EMA(net, 0.9)
        >>> ema.update(1)
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        live = {name: tensor for name, tensor in tensors_of(module).items() if tensor.is_floating_point()}
        self.decay = decay
        self.tensors = {name: tensor.clone() for name, tensor in live.items()}
        self._live = list(live.values())
        self._average = list(self.tensors.values())

    def update(self, count: int) -> None:
        """Take in the weights after update number `count`, counted from 1."""
        decay = min(self.decay, (1 + count) / (10 + count))
        torch._foreach_lerp_(self._average, self._live, 1 - decay)

    def apply(self) -> None:
        """Write the average over the module's weights."""
        torch._foreach_copy_(self._live, self._average)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module holds the average inside the block, and its own weights, bit for bit, after it."""
        own = [tensor.clone() for tensor in self._live]
        self.apply()
        try:
            yield
        finally:
            torch._foreach_copy_(self._live, own)
