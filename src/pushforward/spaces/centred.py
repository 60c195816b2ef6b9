"""Point sets without a place."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pushforward.core import Gen, State, align, dot, leaves, like, map_state, randn_like, require, shapes
from pushforward.spaces._flat import Flat

__all__ = ["Centred"]


@dataclass(frozen=True)
class Centred(Flat):
    r"""Sets of N points in R^d whose mean is 0: a linear subspace of R^(N d), flat, of dimension d (N - 1).

    .. math:: X = \Big\{x \in \mathbb R^{N \times d} : \sum_i x_i = 0\Big\}, \qquad
              \pi(x)_i = x_i - \frac1N \sum_j x_j, \qquad
              \log p_0(x) = -\frac{|x|^2}{2} - \frac{d (N - 1)}{2} \log 2\pi

    with standard normal noise of the subspace, pi(z) for z ~ N(0, I). What does not depend on where a set of points is
    has its density here; in all of R^(N d) it has none. Combinations of states stay, whatever their weights, so affine
    paths serve with any schedule. `move` takes the mean off at every step, and likelihoods project before they ask the
    field, so that a network may have a mean of its own, which then counts nowhere.

    Source: Koehler, Klein & Noe, Equivariant Flows: Exact Likelihood Generative Learning for Symmetric Densities (ICML
        2020), https://arxiv.org/abs/2006.02425, for the mean-free normal law.

    Shapes: states and motions `[B, *M, N, d]`, N points of R^d on the last two axes; the axes M, and the leaves of a
        mapping, make products.
    Raises: `InvalidInput` for states with less than three axes.

    Example:
        >>> Centred().project(torch.tensor([[[0.0, 1.0], [2.0, 5.0]]]))
        tensor([[[-1., -2.],
                 [ 1.,  2.]]])
    """

    convex: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    @staticmethod
    def _centre(x: Tensor) -> Tensor:
        require(
            x.ndim >= 3,
            f"points have shape {list(x.shape)}, but Centred holds sets of points [B, ..., N, d]; add the axis of the "
            "points",
        )
        return x - x.mean(-2, keepdim=True)

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """x + dt u, less its mean."""
        return map_state(lambda p, q: self._centre(like(torch.addcmul(p, align(dt, q), q), p, q)), x, u)

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Standard normal draws, less their mean."""
        return map_state(lambda p: self._centre(randn_like(p, generator=generator)), like)

    def noise_log_prob(self, x: State) -> Tensor:
        """Log-density `[B]` of the noise against the volume of the subspace, in nats."""
        return -0.5 * dot(x, x) - 0.5 * self.dimension(x) * math.log(2 * math.pi)

    def exp(self, x: State, u: State) -> State:
        """x + u."""
        return map_state(lambda p, q: p + q, x, u)

    def log(self, x: State, y: State) -> State:
        """y - x."""
        return map_state(lambda p, q: q - p, x, y)

    def tangent(self, x: State, u: State) -> State:
        """u, less its mean."""
        return map_state(self._centre, u)

    def project(self, x: State) -> State:
        """x, less its mean."""
        return map_state(self._centre, x)

    def dimension(self, x: State) -> int:
        """d (N - 1) for every set of a row."""
        require(
            all(p.ndim >= 3 for p in leaves(x)),
            f"points have shape {shapes(x)}, but Centred holds sets of points [B, ..., N, d]; add the axis of the "
            "points",
        )
        return sum(math.prod(p.shape[1:-2]) * (p.shape[-2] - 1) * p.shape[-1] for p in leaves(x))

    def pull_back(self, x: State, u: State, v: State) -> State:
        """v; a mean that it has, as those of all stages of a step, is taken off by `move`."""
        return v

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal draws of the subspace."""
        return self.noise(x, generator=generator)
