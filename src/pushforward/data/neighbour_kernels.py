"""Rows of data blurred by the distance to their neighbours."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from pushforward.core import Gen, Manifold, align, rand, require
from pushforward.spaces import Euclidean

__all__ = ["NeighbourKernels"]


@dataclass(frozen=True, eq=False)
class NeighbourKernels:
    r"""A kernel estimate of the data's density, as something to learn from: a row, then a step of its own width.

    .. math:: x = \exp_{x_i}(h_i z), \qquad h_i = \max\big(h_0,\ c\, d(x_i, x_{(k)})\big), \qquad
              z \sim N(0, I) \text{ on the tangent space at } x_i

    with i a row at random and x_(k) its k-th neighbour. A flow that fits rows exactly moves everything onto them, and
    says nothing of rows that it never saw; one that learns from these draws stays as smooth as the data are sparse.

    Source: Breiman, Meisel & Purcell, Variable Kernel Estimates of Multivariate Densities (Technometrics 1977),
        https://doi.org/10.1080/00401706.1977.10489521.

    Args:
        x: Rows `[N, D]`, N > k.
        space: Where they live; one with `tangent_noise`.
        neighbour: k >= 1.
        share: c > 0, widths in units of that distance.
        narrowest: h_0 >= 0, for rows that coincide.

    Raises: `InvalidInput` for numbers out of range and too few rows.

    Example:
        >>> rows = pf.spaces.Sphere().noise(torch.empty(100, 3))
        >>> NeighbourKernels(rows, pf.spaces.Sphere()).sample(5).norm(dim=1)
        tensor([1.0000, 1.0000, 1.0000, 1.0000, 1.0000])
    """

    x: Tensor
    space: Manifold = field(default_factory=Euclidean)
    neighbour: int = 3
    share: float = 0.7
    narrowest: float = 5e-4

    def __post_init__(self) -> None:
        n, k = len(self.x), self.neighbour
        require(1 <= k < n, f"neighbour is {k} of {n} rows, expected at least 1 and fewer than rows")
        require(self.share > 0, f"share is {self.share}, expected a positive number")
        require(self.narrowest >= 0, f"narrowest is {self.narrowest}, expected 0 or a width")

    @cached_property
    def widths(self) -> Tensor:
        """h `[N]`."""
        space: Any = self.space
        told = space.features(self.x) if hasattr(space, "features") else self.x
        points = told.flatten(1).double().cpu().numpy()
        nearest = NearestNeighbors(n_neighbors=self.neighbour + 1).fit(points).kneighbors(points)[1][:, -1]
        there = self.x[torch.as_tensor(nearest, device=self.x.device)]
        return (self.share * space.distance(self.x, there)).clamp_min(self.narrowest)

    def sample(self, n: int, *, generator: Gen = None) -> Tensor:
        """`n` independent draws `[n, D]`."""
        space: Any = self.space
        row = (rand((n,), self.widths.double(), generator=generator) * len(self.x)).long()
        x, h = self.x[row], self.widths[row]
        return space.exp(x, align(h, x) * space.tangent_noise(x, generator=generator))
