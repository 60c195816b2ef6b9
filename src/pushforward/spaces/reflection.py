"""Reflections in flat walls, one after the other."""

from collections.abc import Callable

from torch import Tensor

__all__ = ["Worst", "mirror", "reflect", "unreflect"]

Worst = Callable[[Tensor], tuple[Tensor, Tensor]]  # points [..., d] to the depth [...] and the unit normal [..., d]


def mirror(v: Tensor, normal: Tensor, there: Tensor) -> Tensor:
    """`v` reflected in the plane with this unit normal, where `there` `[...]` says so."""
    along = (v * normal).sum(-1, keepdim=True)
    return v - 2 * there[..., None].to(v.dtype) * along * normal


def reflect(y: Tensor, worst: Worst, rounds: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """`y` reflected in the wall that it is furthest behind, `rounds` times, and what was done.

    Always as many rounds, so that nothing waits for the device; those of a point that is inside change no bit of it.
    """
    done: list[tuple[Tensor, Tensor]] = []
    for _ in range(rounds):
        depth, normal = worst(y)
        y = y - 2 * depth.clamp_min(0)[..., None] * normal
        done.append((normal, depth > 0))
    return y, done


def unreflect(v: Tensor, done: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The vector that those reflections take to `v`."""
    for normal, there in reversed(done):
        v = mirror(v, normal, there)
    return v
