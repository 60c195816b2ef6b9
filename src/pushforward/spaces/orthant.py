"""The positive part of a sphere, where square roots of probabilities live."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, State, dot, leaves, map_state
from pushforward.spaces.sphere import Sphere

__all__ = ["Orthant"]

SPHERE = Sphere()


@dataclass(frozen=True)
class Orthant:
    r"""The part of the unit sphere with no coordinate below 0, which is the simplex in the Fisher-Rao metric.

    .. math:: s = \sqrt p, \qquad d_{FR}(p, q) = 2 \arccos \sum_i \sqrt{p_i q_i} = 2\, d(\sqrt p, \sqrt q)

    Geodesics are those of `Sphere` and stay inside between any two points; a motion that leads out is thrown back by
    absolute values, which is reflection. Noise is uniform, |n| / |n| for normal n. Two vertices are pi / 2 apart.

    Source: Davis et al., Fisher Flow Matching for Generative Modeling over Discrete Data (NeurIPS 2024),
        https://arxiv.org/abs/2405.14664.

    Shapes: points `[B, *E, K]`, unit vectors along the last axis.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> Orthant().move(x, Orthant().log(x, y), torch.tensor([0.5])).square()
        tensor([[0.5000, 0.5000]])
    """

    def move(self, x: State, u: State, dt: Tensor, *, generator: Gen = None) -> State:
        """Along the great circle, reflected."""
        return map_state(torch.abs, SPHERE.move(x, u, dt))

    def noise(self, like: State, *, generator: Gen = None) -> State:
        """Uniform draws."""
        return map_state(torch.abs, SPHERE.noise(like, generator=generator))

    def noise_log_prob(self, x: State) -> Tensor:
        """Minus the log-area `[B]`: one part in 2^K of the sphere's."""
        coordinates = sum(math.prod(leaf.shape[1:]) for leaf in leaves(x))
        return SPHERE.noise_log_prob(x) + coordinates * math.log(2.0)

    def exp(self, x: State, u: State) -> State:
        """The end of the great circle, reflected."""
        return map_state(torch.abs, SPHERE.exp(x, u))

    def log(self, x: State, y: State) -> State:
        """The shortest tangent vector to y."""
        return SPHERE.log(x, y)

    def tangent(self, x: State, u: State) -> State:
        """u - <x, u> x."""
        return SPHERE.tangent(x, u)

    def inner(self, x: State, u: State, v: State) -> Tensor:
        """Dot product `[B]`."""
        return dot(u, v)

    def project(self, x: State) -> State:
        """The nearest point: what is below 0 becomes 0, and the length 1."""
        return SPHERE.project(map_state(lambda p: p.clamp_min(0.0), x))

    def dimension(self, x: State) -> int:
        """K - 1 for every point of a row."""
        return SPHERE.dimension(x)

    def log_volume(self, x: State) -> Tensor:
        """0: the embedding is isometric."""
        return SPHERE.log_volume(x)

    def distance(self, x: State, y: State) -> Tensor:
        """The angle `[B]`, half the distance of Fisher and Rao."""
        return SPHERE.distance(x, y)

    def transport(self, x: State, y: State, u: State) -> State:
        """u at x carried to y."""
        return SPHERE.transport(x, y, u)

    def pull_back(self, x: State, u: State, v: State) -> State:
        """v at exp_x(u) carried back to x; within the part, where nothing is reflected."""
        return SPHERE.pull_back(x, u, v)

    def tangent_noise(self, x: State, *, generator: Gen = None) -> State:
        """Standard normal tangent vectors at x."""
        return SPHERE.tangent_noise(x, generator=generator)
