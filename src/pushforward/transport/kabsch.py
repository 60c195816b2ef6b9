"""The best rotation between point sets whose points are matched."""

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["kabsch"]


@torch.no_grad()
def kabsch(
    x: Float[Tensor, "*b n d"], y: Float[Tensor, "*c m e"], *, reflections: bool = False
) -> Float[Tensor, "*b d d"]:
    r"""The rotations about the origin that bring the points x nearest to the points y.

    .. math:: Q = \arg\min_{Q \in SO(d)} \sum_i |y_i - Q x_i|^2 = U\, \mathrm{diag}(1, \dots, 1, \det U V^\top)\,
              V^\top, \qquad \sum_i y_i x_i^\top = U S V^\top

    Without the determinant, Q in O(d), where reflections are allowed. Take the means off first to superpose sets that
    may be shifted. Where the best rotation is not unique (collinear points in space, all points at the origin) it is
    one of the best. A constant for gradients: those of the decomposition diverge where singular values meet.

    Source: Kabsch, A solution for the best rotation to relate two sets of vectors (1976),
        https://doi.org/10.1107/S0567739476001873. In the plane the angle is known in closed form, which is used there.

    Args:
        x: Points to be turned, finite.
        y: Where they should come to rest.
        reflections: Whether Q may have determinant -1.

    Returns: Q; the turned points are `x @ Q.mT`. In float32 at least.
    Raises: `InvalidInput` for sets of different shapes.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> kabsch(x, torch.tensor([[0.0, 1.0], [-2.0, 0.0]]))
        tensor([[ 0., -1.],
                [ 1.,  0.]])
    """
    require(
        x.shape == y.shape and x.ndim >= 2,
        f"point sets of shapes {list(x.shape)} and {list(y.shape)} cannot be superposed; give both [..., N, d]",
    )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    h = y.to(dtype).mT @ x.to(dtype)
    if h.shape[-1] == 2:
        return _in_the_plane(h, reflections)
    u, _, vh = torch.linalg.svd(h)
    if not reflections:
        sign = torch.where(torch.linalg.det(u @ vh) < 0, -1.0, 1.0).to(dtype)
        u = torch.cat([u[..., :-1], u[..., -1:] * sign[..., None, None]], -1)
    return u @ vh


def _in_the_plane(h: Float[Tensor, "*b 2 2"], reflections: bool) -> Float[Tensor, "*b 2 2"]:
    """tr(Q^T H) is the projection of a vector on (cos, sin), one vector for rotations and one for reflections."""
    a, b, c, d = h[..., 0, 0], h[..., 0, 1], h[..., 1, 0], h[..., 1, 1]
    turn, flip = torch.stack([a + d, c - b], -1), torch.stack([a - d, b + c], -1)
    flipped = turn.norm(dim=-1, keepdim=True) < flip.norm(dim=-1, keepdim=True)
    flipped = flipped if reflections else torch.zeros_like(flipped)
    way = torch.where(flipped, flip, turn)
    size = way.norm(dim=-1, keepdim=True)
    east = torch.tensor([1.0, 0.0], dtype=h.dtype, device=h.device)
    cos, sin = torch.where(size > 0, way / torch.where(size > 0, size, 1.0), east).unbind(-1)
    sign = torch.where(flipped[..., 0], -1.0, 1.0).to(h.dtype)
    return torch.stack([torch.stack([cos, -sign * sin], -1), torch.stack([sin, sign * cos], -1)], -2)
