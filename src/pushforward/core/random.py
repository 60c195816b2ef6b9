"""Randomness: generators derived from seeds, and draws on the device of the state."""

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from pushforward.core.state import time_dtype

__all__ = ["Gen", "categorical", "generator_from", "rand", "randn", "randn_like", "randperm"]

Gen: TypeAlias = torch.Generator | None


def generator_from(seed: int, *stream: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on `(seed, *stream)` alone, e.g. `(seed, "time", step)`.

    Streams are independent, and step 700 draws the same numbers whether or not steps 0 to 699 ran in this process:
    this is what makes resumed runs equal to uninterrupted ones without storing any generator's state.
    """
    text = "/".join(map(str, (seed, *stream))).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def _home(like: Tensor, generator: Gen) -> torch.device:
    return like.device if generator is None else generator.device


def randn(shape: Sequence[int], like: Tensor, *, generator: Gen = None) -> Tensor:
    """Standard normal draws of `shape` with the device and floating dtype of `like`."""
    dtype = like.dtype if like.dtype.is_floating_point else torch.get_default_dtype()
    return torch.randn(tuple(shape), generator=generator, device=_home(like, generator), dtype=dtype).to(like.device)


def randn_like(x: Tensor, *, generator: Gen = None) -> Tensor:
    """Standard normal draws like `x`."""
    return randn(x.shape, x, generator=generator)


def rand(shape: Sequence[int], like: Tensor, *, generator: Gen = None) -> Tensor:
    """Uniform draws on [0, 1) of `shape` with the device of `like`, in its floating dtype but float32 at least."""
    dtype = time_dtype(like)
    return torch.rand(tuple(shape), generator=generator, device=_home(like, generator), dtype=dtype).to(like.device)


def randperm(n: int, like: Tensor, *, generator: Gen = None) -> Tensor:
    """A random order of 0 to n - 1 on the device of `like`."""
    return torch.randperm(n, generator=generator, device=_home(like, generator)).to(like.device)


def categorical(weights: Tensor, *, generator: Gen = None) -> Tensor:
    """An index of the last axis for every row of `weights` `[..., V]` >= 0, with chances in proportion; int64 `[...]`.

    By the inverse of the cumulative sums in float64: the chances of rare entries stay what they are (float32 Gumbel
    noise cuts the tails), and an entry of weight 0 is never drawn. A row of zeros gives 0.

    Example:
        >>> categorical(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
        tensor([1, 2])
    """
    heights = weights.double().cumsum(-1)
    level = 1.0 - rand(weights.shape[:-1], heights, generator=generator)  # in (0, 1]: never on the first edge
    return torch.searchsorted(heights, level[..., None] * heights[..., -1:])[..., 0]
