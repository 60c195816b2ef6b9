"""Two walls that a transform keeps: numbers, or buffers with one number for each coordinate."""

import torch
from torch import Tensor, nn

from pushforward.core import require

__all__ = ["keep_walls"]


def keep_walls(module: nn.Module, low: float | Tensor, high: float | Tensor) -> None:
    """Set `module.low` and `module.high`, checked."""
    a, b = torch.as_tensor(low), torch.as_tensor(high)
    require(
        bool((a < b).all() and a.isfinite().all() and b.isfinite().all()),
        f"{type(module).__name__} has walls at {low} and {high}, expected finite numbers, the smaller first",
    )
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, Tensor):
            module.register_buffer(name, value)
        else:
            setattr(module, name, float(value))
