"""Densities on meshes that can be drawn from exactly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.core import Gen, rand, require
from pushforward.spaces import Mesh
from pushforward.spaces.meshes.closest import Location

__all__ = ["MeshDensity"]


@dataclass(frozen=True, eq=False)
class MeshDensity:
    r"""A density on a mesh, linear on every face: the given values at the vertices, where they are positive.

    .. math:: p(x) = \frac{f(x)}{\int f}, \qquad f = \max(\text{values}, 0) \text{ at the vertices}, \qquad
              \int_{\text{face}} f = \text{area} \cdot \tfrac13 (f_1 + f_2 + f_3)

    Drawn without rejection: a face by its integral, then a corner by its value, then a point whose weights are
    Dirichlet, 2 at that corner and 1 at the others. `eigenfunction` gives the targets of Chen & Lipman, Flow Matching
    on General Geometries (ICLR 2024), https://arxiv.org/abs/2302.03660.

    Args:
        mesh: The surface.
        values: `[V]`, some of them positive.

    Raises: `InvalidInput` for values of another length, or none that is positive.

    Example:
        >>> ball = pf.spaces.Mesh.icosphere(2)
        >>> north = MeshDensity(ball, ball.vertices[:, 2])
        >>> bool((north.sample(100)[:, 2] > -0.3).all())
        True
    """

    mesh: Mesh
    values: Tensor

    def __post_init__(self) -> None:
        v, n = self.values, len(self.mesh.vertices)
        require(v.shape == (n,), f"values have shape {list(v.shape)}, expected [{n}], one for each vertex")
        require(bool(v.isfinite().all() and v.max() > 0), "no value is positive and finite; give a density")
        object.__setattr__(self, "values", v.detach().to(self.mesh.vertices).clamp_min(0))

    @classmethod
    def eigenfunction(cls, mesh: Mesh, number: int) -> "MeshDensity":
        """The positive part of the Laplace-Beltrami eigenfunction `number` >= 1, counted behind the constant one."""
        require(number >= 1, f"number is {number}, expected 1 or more; 0 would be the constant function")
        # a few more, as the spectrum is cut at a gap
        return cls(mesh, mesh.eigenpairs(2 * number + 8)[1][:, number - 1])

    def sample(self, n: int, *, generator: Gen = None) -> Tensor:
        """`n` independent draws `[n, D]`."""
        values = self.values[self.mesh.faces]
        shares = (self.mesh.areas * values.sum(1)).cumsum(0)
        pick, corner, *rest = rand((6, n), self.values, generator=generator)
        face = torch.searchsorted(shares / shares[-1], pick).clamp_max(len(shares) - 1)
        at = values[face].cumsum(1)
        corner = (corner[:, None] * at[:, 2:] >= at[:, :2]).sum(1)
        a, b, c, more = (-(1 - u).log() for u in rest)  # exponential; two of them make Gamma(2)
        weights = torch.stack([a, b, c], 1).scatter_add(1, corner[:, None], more[:, None])
        where = Location(face, weights / weights.sum(1, keepdim=True))
        return self.mesh.point(where).to(torch.get_default_dtype())

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density `[B]` against area, in nats; -inf where the density is 0."""
        mass = (self.mesh.areas * self.values[self.mesh.faces].mean(1)).sum()
        return (self.mesh.evaluate(self.values.to(x), self.mesh.locate(x)) / mass.to(x)).log()
