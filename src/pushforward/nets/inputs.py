"""Checks that every network makes on what it is built with and what it is given. Static: none reads a value."""

from collections.abc import Sequence

from torch import Tensor

from pushforward.core import InvalidInput, State, require, shapes

__all__ = ["check_events", "check_sizes", "widened"]


def check_sizes(net: str, shape: Sequence[int], **sizes: int) -> tuple[int, ...]:
    """`shape` as a tuple, when it and all `sizes` are positive; `InvalidInput` otherwise."""
    require(sizes.get("times", 1) <= 2, f"{net} got times={sizes.get('times')}, expected 1, or 2 for flow maps")
    require(all(n >= 1 for n in shape), f"{net} got shape={list(shape)}, expected an event shape of positive sizes")
    for name, value in sizes.items():
        require(value >= 1, f"{net} got {name}={value}, expected at least 1")
    return tuple(shape)


def widened(shape: tuple[int, ...], outputs: int) -> tuple[int, ...]:
    """The event shape of `outputs` quantities side by side on the first axis; one number is an axis of its own."""
    first, *rest = shape or (1,)
    return shape if outputs == 1 else (outputs * first, *rest)


def check_events(x: State, t: Tensor, shape: tuple[int, ...], times: int = 1) -> None:
    """`InvalidInput` unless `x` is `[B, *shape]` and `t` `[B]`, or `[B, 2]` for two times."""
    if not isinstance(x, Tensor):
        raise InvalidInput(f"x is a mapping {shapes(x)}, this network takes one tensor; wrap it as nets.Joined(net)")
    require(
        tuple(x.shape[1:]) == shape,
        f"x has shape {list(x.shape)}, this network was built for [B, {', '.join(map(str, shape))}]; "
        "build it with the shape of one event, without the batch",
    )
    wanted = [len(x)] if times == 1 else [len(x), times]
    hint = (
        "(one time per row); use core.broadcast_time(t, x)"
        if times == 1
        else "(from and to, for every row): this network says mean velocities; use fields.NetMap(net)"
    )
    require(list(t.shape) == wanted, f"t has shape {list(t.shape)}, expected {wanted} {hint}")
