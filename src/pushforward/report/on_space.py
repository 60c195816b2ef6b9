"""Points where they live: which picture a space has of its own."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pushforward.report.arrays import Array, points
from pushforward.report.on_earth import on_earth
from pushforward.report.on_mesh import on_mesh
from pushforward.report.ramachandran import ramachandran
from pushforward.spaces import Mesh, Sphere, Torus

__all__ = ["on_space"]


def on_space(space: Any, x: Array, real: Array | None = None) -> Figure | None:
    """A picture of points on their space, or None where it has none of its own and flat pictures do.

    The sphere in space has a map (`on_earth`), tori show their first two angles (`ramachandran`), and a mesh its
    surface (`on_mesh`), without the real points.

    Args:
        space: Where the points live; anything, also None.
        x: Generated (or any) points `[N, *E]`.
        real: Held-out points, likewise.

    Example:
        >>> len(on_space(pf.spaces.Torus(), torch.rand(9, 2)).axes)
        2
        >>> on_space(pf.spaces.Euclidean(), torch.rand(9, 2)) is None
        True
    """
    event = tuple(x.shape[1:])
    if isinstance(space, Sphere) and event == (3,):
        return on_earth(x, real)
    if isinstance(space, Torus) and len(event) == 1 and event[0] >= 2:
        periods = space.period[:2] if isinstance(space.period, tuple) else space.period
        radians = 2 * math.pi / np.array(periods)
        return ramachandran(points(x)[:, :2] * radians, None if real is None else points(real)[:, :2] * radians)
    if isinstance(space, Mesh) and event == (3,):
        return on_mesh(space.vertices, space.faces, None, x)
    return None
