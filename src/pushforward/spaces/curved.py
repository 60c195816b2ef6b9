"""Which spaces are curved."""

from typing import Any

__all__ = ["is_curved"]


def is_curved(space: Any) -> bool:
    """Whether motions are tangent to a space that is not a part of flat space (tokens have no tangents at all).

    Example:
        >>> is_curved(pf.spaces.Sphere()), is_curved(pf.spaces.Box())
        (True, False)
    """
    return not getattr(space, "convex", False) and hasattr(space, "tangent")
