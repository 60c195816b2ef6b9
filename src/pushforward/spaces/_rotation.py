"""Rotation matrices `[..., 3, 3]`, their vectors `[..., 3]` and quaternions `[..., 4]`."""

import torch
from torch import Tensor

from pushforward.spaces._radial import dots, norm, sinc

__all__ = ["angle", "from_quaternion", "hat", "logarithm", "polar", "rodrigues", "vee"]


def hat(a: Tensor) -> Tensor:
    """The matrix [a]_x with [a]_x b = a x b."""
    x, y, z = a.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def vee(m: Tensor) -> Tensor:
    """The vector of the antisymmetric part."""
    entries = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]]
    return torch.stack(entries, -1) / 2


def rodrigues(a: Tensor) -> Tensor:
    """exp [a]_x."""
    q, k = dots(a, a)[..., None], hat(a)
    return torch.eye(3, dtype=a.dtype, device=a.device) + sinc(q) * k + sinc(q / 4).square() / 2 * (k @ k)


def from_quaternion(q: Tensor) -> Tensor:
    """The rotation of a quaternion (w, x, y, z) of any length but 0."""
    q = q / norm(q)
    w, v = q[..., :1, None], q[..., 1:]
    k = hat(v)
    return torch.eye(3, dtype=q.dtype, device=q.device) + 2 * (w * k + k @ k)


def _quaternion(x: Tensor, y: Tensor) -> Tensor:
    """The unit quaternion of x^T y, its real part not negative."""
    # x^T y = 1 + e, exact near y = x
    e = x.mT @ (y - x)
    row = e.unbind(-2)
    (a, b, c), (d, f, g), (h, i, j) = (r.unbind(-1) for r in row)
    # 4 q q^T, of which any row is a multiple of q; the one with the largest diagonal is at least of length 2
    entries = [4 + a + f + j, i - g, c - h, d - b]
    entries += [i - g, a - f - j, b + d, c + h]
    entries += [c - h, b + d, f - a - j, g + i]
    entries += [d - b, c + h, g + i, j - a - f]
    square = torch.stack(entries, -1).unflatten(-1, (4, 4))
    best = square.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    q = square.gather(-2, best.expand(*best.shape[:-1], 4))[..., 0, :]
    q = q / norm(q)
    return torch.where(q[..., :1] < 0, -q, q)


def angle(x: Tensor, y: Tensor) -> Tensor:
    """The angle of x^T y, `[..., 1]`."""
    q = _quaternion(x, y)
    return 2 * torch.atan2(norm(q[..., 1:]), q[..., :1])


def logarithm(x: Tensor, y: Tensor) -> Tensor:
    """Axis of x^T y times its angle."""
    q = _quaternion(x, y)
    v = q[..., 1:]
    square = dots(v, v)
    near = square < 1e-4
    series = 1 + square * (1 / 6 + square * (3 / 40 + square * (5 / 112 + square * 35 / 1152)))  # arcsin(s) / s
    s = torch.where(near, 1.0, square).sqrt()
    return 2 * torch.where(near, series, torch.atan2(s, q[..., :1]) / s) * v


def polar(x: Tensor) -> Tensor:
    """The nearest rotation, with a derivative where singular values repeat, as they do on rotations.

    y is the rotation and y^T x = h symmetric. In the basis of h, which is a constant here, the motion y w of y has
    w_ij = (y^T dx - dx^T y)_ij / (h_i + h_j).
    """
    left, values, right = torch.linalg.svd(x.detach())
    sign = torch.linalg.det(left @ right).sign()[..., None]
    flip = torch.cat([torch.ones_like(values[..., :2]), sign], -1)
    y, values = (left * flip[..., None, :]) @ right, values * flip
    turned = y.mT @ x
    basis = right.mT
    sums = (values[..., :, None] + values[..., None, :]).clamp_min(torch.finfo(x.dtype).eps)
    w = basis @ ((right @ (turned - turned.mT) @ basis) / sums) @ right
    return y + y @ (w - w.detach())
