"""How the directions of a sliced distance are chosen."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Gen, randn, require

__all__ = ["Directions", "Equispaced", "Orthogonal", "RandomDirections", "Sobol"]


@runtime_checkable
class Directions(Protocol):
    """A rule for unit vectors."""

    def __call__(self, count: int, like: Float[Tensor, "n d"], *, generator: Gen = None) -> Float[Tensor, "l d"]:
        """`count` unit vectors with the dimension, device and dtype of `like`."""
        ...


@dataclass(frozen=True)
class Equispaced:
    """Equispaced angles of the half circle: no randomness, and an error that falls far faster than any random rule's.

    Example:
        >>> Equispaced()(2, torch.zeros(1, 2)).round()
        tensor([[1., 0.],
                [-0., 1.]])
    """

    def __call__(self, count: int, like: Float[Tensor, "n d"], *, generator: Gen = None) -> Float[Tensor, "l d"]:
        """Angles `pi k / count`; `generator` is not used."""
        d = like.shape[1]
        require(d == 2, f"equispaced angles are for the plane, the samples have {d} dimensions; use Orthogonal()")
        angles = torch.arange(count, device=like.device, dtype=like.dtype) * (math.pi / count)
        return torch.stack([angles.cos(), angles.sin()], dim=1)


@dataclass(frozen=True)
class RandomDirections:
    """Independent and uniform on the sphere.

    Example:
        >>> RandomDirections()(4, torch.zeros(1, 3)).norm(dim=1).round()
        tensor([1., 1., 1., 1.])
    """

    def __call__(self, count: int, like: Float[Tensor, "n d"], *, generator: Gen = None) -> Float[Tensor, "l d"]:
        """Normal draws, of length 1."""
        return torch.nn.functional.normalize(randn((count, like.shape[1]), like, generator=generator), dim=1)


@dataclass(frozen=True)
class Orthogonal:
    r"""Blocks of `d` orthonormal directions, each block turned at random: unbiased, and quadratic forms are exact.

    .. math:: \frac1d \sum_{k=1}^{d} (\theta_k \cdot c)^2 = |c|^2 / d \quad \text{for every block}

    Source: Rowland et al., Orthogonal Estimation of Wasserstein Distances (AISTATS 2019),
        https://arxiv.org/abs/1903.03784.

    Example:
        >>> theta = Orthogonal()(3, torch.zeros(1, 3))
        >>> (theta @ theta.T).abs().round()
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """

    def __call__(self, count: int, like: Float[Tensor, "n d"], *, generator: Gen = None) -> Float[Tensor, "l d"]:
        """Uniform each, orthogonal within blocks."""
        d = like.shape[1]
        blocks = -(-count // d)
        q, r = torch.linalg.qr(randn((blocks, d, min(d, count)), like, generator=generator))
        q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]  # without the signs the law depends on the algorithm
        return q.mT.reshape(-1, d)[:count]


@dataclass(frozen=True)
class Sobol:
    """A scrambled Sobol sequence through the normal quantile function: even cover of the sphere in few dimensions.

    Source: Nguyen, Bariletto & Ho, Quasi-Monte Carlo for 3D Sliced Wasserstein (ICLR 2024),
        https://arxiv.org/abs/2309.11713, the randomised Gaussian construction. Up to 21201 dimensions; in high
        dimension no better than chance.

    Example:
        >>> Sobol()(4, torch.zeros(1, 3)).norm(dim=1).round()
        tensor([1., 1., 1., 1.])
    """

    def __call__(self, count: int, like: Float[Tensor, "n d"], *, generator: Gen = None) -> Float[Tensor, "l d"]:
        """Uniform each, even together; `generator` scrambles."""
        device = "cpu" if generator is None else generator.device
        seed = int(torch.randint(2**31, (), generator=generator, device=device))
        uniform = torch.quasirandom.SobolEngine(like.shape[1], scramble=True, seed=seed).draw(
            count, dtype=torch.float64
        )
        normal = torch.special.ndtri(uniform.clamp(1e-12, 1 - 1e-12))
        return torch.nn.functional.normalize(normal, dim=1).to(like.device, like.dtype)
