"""Distances on meshes from their eigenfunctions."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pushforward.core import InvalidInput, State, require_part, shapes
from pushforward.spaces.mesh import Mesh
from pushforward.spaces.meshes.closest import Location
from pushforward.spaces.meshes.weights import Biharmonic, SpectralWeight

__all__ = ["SpectralDistance"]


@dataclass(frozen=True, eq=False)
class SpectralDistance:
    r"""A distance on a mesh from its Laplace-Beltrami eigenfunctions, solved for once.

    .. math:: d(x, y)^2 = \sum_{i=1}^{k} w(\lambda_i)\, (\phi_i(x) - \phi_i(y))^2, \qquad
              \nabla_x d = \frac1d \sum_i w_i\, (\phi_i(x) - \phi_i(y))\, \nabla \phi_i(x)

    The functions are linear on every face, so their gradients are constant there. With k functions d may vanish between
    different points and its gradient elsewhere than at the target: more functions, fewer such places; but one farthest
    from a target there always is, on any closed surface.

    Source: Chen & Lipman, Flow Matching on General Geometries (ICLR 2024), https://arxiv.org/abs/2302.03660. Differs:
        the spectrum is cut at a gap, see `meshes.eigenpairs`.

    Args:
        mesh: The surface, in one part.
        weight: w, from eigenvalues `[k]` to weights `[k]`.
        modes: The largest k, >= 1.

    Shapes: points `[B, *M, 3]`, distances `[B]`; squares of copies add.
    Raises: `Incompatible` for a mesh of several parts, or a weight that cannot be called.

    Example:
        >>> ball = Mesh.icosphere(2)
        >>> d = SpectralDistance(ball, modes=24)
        >>> north, south = ball.vertices[None, 0], -ball.vertices[None, 0]
        >>> bool(d(north, south) > d(north, ball.vertices[None, 1]))
        True
    """

    mesh: Mesh
    weight: SpectralWeight = field(default_factory=Biharmonic)
    modes: int = 100
    _known: dict[tuple[torch.device, torch.dtype], Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        require_part("SpectralDistance.mesh", self.mesh, Mesh, "a Mesh")
        require_part("SpectralDistance.weight", self.weight, SpectralWeight, "a function of eigenvalues, Biharmonic()")
        values, functions = self.mesh.eigenpairs(self.modes)
        whole = functions * self.weight(values).sqrt()
        self._known[whole.device, whole.dtype] = whole

    def _corners(self, where: Location) -> Tensor:
        """The weighted functions at the corners of faces, `[N, 3, k]`."""
        key = where.weights.device, where.weights.dtype
        if key not in self._known:
            self._known[key] = self._known[torch.device("cpu"), torch.float64].to(*key)
        return self._known[key][self.mesh.faces.to(key[0])[where.face]]

    def _embed(self, where: Location) -> tuple[Tensor, Tensor]:
        corners = self._corners(where)
        return torch.einsum("nc,nck->nk", where.weights, corners), corners

    def __call__(self, x: State, y: State) -> Tensor:
        """Distance of every row, `[B]`."""
        return self.towards(y)(x)[0]

    def towards(self, y: State) -> Callable[[State], tuple[Tensor, State]]:
        """From x to the distance to `y` `[B]` and its gradient in x `[B, *M, 3]`, tangent; 0 at `y` itself."""
        if not isinstance(y, Tensor):
            raise InvalidInput(f"SpectralDistance is told of one tensor [B, *M, 3], got {shapes(y)}")
        target, _ = self._embed(self.mesh.locate(y))

        def look(x: State) -> tuple[Tensor, State]:
            assert isinstance(x, Tensor)
            where = self.mesh.locate(x)
            here, corners = self._embed(where)
            gap = here - target
            d = gap.reshape(len(x), -1).norm(dim=1)
            slope = self.mesh.gradient(where, torch.einsum("nck,nk->nc", corners, gap)).reshape(x.shape)
            tiny = torch.finfo(d.dtype).tiny
            return d.to(x.dtype), (slope / d.clamp_min(tiny).reshape(-1, *[1] * (x.ndim - 1))).to(x.dtype)

        return look
