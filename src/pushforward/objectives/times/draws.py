"""How the uniform numbers behind a batch of times are drawn."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from pushforward.core import Gen, rand, randperm

__all__ = ["Antithetic", "Draw", "Independent", "Stratified"]


@runtime_checkable
class Draw(Protocol):
    """Uniform numbers `[size]` on [0, 1), each marginally uniform, with the device and dtype of `like`."""

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:  # noqa: D102
        ...


@dataclass(frozen=True)
class Independent:
    """Independent draws."""

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """`[size]` independent uniform numbers."""
        return rand((size,), like, generator=generator)


@dataclass(frozen=True)
class Stratified:
    r"""One draw in each of B equal strata: a shifted lattice in random order, which no batch can crowd.

    .. math:: q_i = (u + \pi(i)/B) \bmod 1, \qquad u \sim U[0, 1),\ \pi \in S_B \text{ uniform}

    Source: Kingma et al., Variational Diffusion Models (NeurIPS 2021), https://arxiv.org/abs/2107.00630, appendix I.
    Differs: :math:`\pi(i) = i` there, which ties early times to the first rows of batches that come in an order.
    """

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """`[size]` uniform numbers."""
        u = rand((1,), like, generator=generator)
        return (u + randperm(size, u, generator=generator) / size) % 1.0


@dataclass(frozen=True)
class Antithetic:
    r"""Mirror pairs: what one half draws early, the other draws late.

    .. math:: q_{B/2 + i} = 1 - q_i
    """

    def __call__(self, size: int, like: Tensor, *, generator: Gen = None) -> Tensor:
        """`[size]` uniform numbers; of an odd batch the middle row is unpaired."""
        q = rand(((size + 1) // 2,), like, generator=generator)
        return torch.cat([q, 1.0 - q])[:size]
