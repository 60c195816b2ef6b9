"""Rows of events from draws of waiting times."""

from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.core import Events

__all__ = ["drawn", "packed"]


def drawn(waits: Callable[[], Tensor], like: Tensor, end: float) -> Events:
    """Rows like `like` `[B]`, each filled with independent draws of `waits()` `[B]` until it has reached `end`."""
    t, found = torch.zeros_like(like, dtype=torch.float64), []
    while bool((t < end).any()):
        t = t + waits()
        found.append(t)
    return packed(torch.stack(found, 1), end, like.dtype)


def packed(times: Tensor, end: float, dtype: torch.dtype) -> Events:
    """Events from float64 times `[B, L]` in any order, where those after `end` are none."""
    times = times.sort(1).values
    real = times <= end
    count = real.sum(1)
    times = times[:, : max(int(count.max()), 1)]
    real = real[:, : times.shape[1]]
    times = torch.where(real, times, 0.0)
    gaps = torch.where(real, times.diff(dim=1, prepend=torch.zeros_like(times[:, :1])), 1.0)
    return Events(gaps.to(dtype), count, (end - times.amax(1)).to(dtype))
