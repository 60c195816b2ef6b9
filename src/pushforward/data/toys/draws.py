"""Draws that live where their generator lives; toys have no tensor to take a device from."""

import torch
from torch import Tensor

from pushforward.core import Gen

__all__ = ["normal", "pick", "uniform"]


def _device(generator: Gen) -> torch.device | None:
    return None if generator is None else generator.device


def uniform(*shape: int, generator: Gen) -> Tensor:
    """U[0, 1)."""
    return torch.rand(shape, generator=generator, device=_device(generator))


def normal(*shape: int, generator: Gen) -> Tensor:
    """N(0, 1)."""
    return torch.randn(shape, generator=generator, device=_device(generator))


def pick(n: int, among: int, generator: Gen) -> Tensor:
    """Uniform labels 0, ..., among - 1 `[n]`."""
    return torch.randint(among, (n,), generator=generator, device=_device(generator))
