"""States: a tensor `[B, *E]`, or a mapping of such tensors that share `B`."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

from pushforward.core.errors import InvalidInput

__all__ = [
    "Cond",
    "State",
    "align",
    "batch_size",
    "broadcast_time",
    "cat_states",
    "dot",
    "drop_condition",
    "event_size",
    "leaves",
    "like",
    "map_state",
    "mean_rows",
    "null_condition",
    "same_shape",
    "shapes",
    "take",
    "time_dtype",
]

State: TypeAlias = Tensor | Mapping[str, Tensor]
Cond: TypeAlias = State | None
S = TypeVar("S", bound=State | None)


def map_state(f: Callable[..., Tensor], x: S, *rest: Any) -> S:
    """Apply `f` leaf by leaf: `f(x, ...)` for tensors, `{name: f(x[name], ...)}` for mappings, None for None."""
    if x is None:
        return x
    if isinstance(x, Mapping):
        return cast(S, {name: f(leaf, *(other[name] for other in rest)) for name, leaf in x.items()})
    return cast(S, f(x, *rest))


def leaves(x: State) -> list[Tensor]:
    """The tensors of a state, in the order of its keys."""
    return list(x.values()) if isinstance(x, Mapping) else [x]


def same_shape(x: Any, y: Any) -> bool:
    """Whether two states have the same leaves, of the same shapes; nothing is broadcast."""
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        return x.keys() == y.keys() and all(same_shape(x[name], y[name]) for name in x)
    return isinstance(x, Tensor) and isinstance(y, Tensor) and x.shape == y.shape


def shapes(x: Any) -> str:
    """The shape of a state, for messages.

    Example:
        >>> shapes({"a": torch.zeros(3, 2), "b": torch.zeros(3)})
        '{a: [3, 2], b: [3]}'
    """
    if isinstance(x, Mapping):
        return "{" + ", ".join(f"{name}: {shapes(leaf)}" for name, leaf in x.items()) + "}"
    return str(list(x.shape)) if isinstance(x, Tensor) else type(x).__name__


def batch_size(x: State) -> int:
    """`B`, the number of rows."""
    return leaves(x)[0].shape[0]


def event_size(x: State) -> int:
    """Number of coordinates of a row, over all event axes and leaves; a batch of no rows has one, too.

    Example:
        >>> event_size({"a": torch.zeros(0, 2, 3), "b": torch.zeros(0)})
        7
    """
    return sum(math.prod(leaf.shape[1:]) for leaf in leaves(x))


def take(x: S, index: Tensor) -> S:
    """Rows `index` of every leaf; None stays None."""
    return map_state(lambda leaf: leaf[index], x)


def cat_states(a: S, b: S) -> S:
    """The rows of `a`, then those of `b`."""
    return map_state(lambda p, q: torch.cat([p, q]), a, b)


def align(t: Tensor, x: Tensor) -> Tensor:
    """View `[B]` as `[B, 1, ...]`, so that it broadcasts with `x` `[B, *E]`.

    Example:
        >>> align(torch.zeros(3), torch.zeros(3, 2, 2)).shape
        torch.Size([3, 1, 1])
    """
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def like(value: Tensor, *states: Tensor) -> Tensor:
    """`value` in the dtype of the states it was made of, so that float32 coefficients do not promote a bf16 state."""
    dtype = states[0].dtype
    for other in states[1:]:
        dtype = torch.promote_types(dtype, other.dtype)
    return value.to(dtype) if dtype.is_floating_point else value


def dot(x: State, y: State) -> Tensor:
    """Inner product of every row, `[B]`, over all event axes and leaves."""
    rows = [(p * q)[..., None].flatten(1).sum(1) for p, q in zip(leaves(x), leaves(y), strict=True)]
    return torch.stack(rows).sum(0) if len(rows) > 1 else rows[0]


def mean_rows(x: State) -> Tensor:
    """Mean over the coordinates of every row, `[B]`, over all event axes and leaves."""
    rows = [leaf[..., None].flatten(1) for leaf in leaves(x)]
    return rows[0].mean(1) if len(rows) == 1 else torch.stack([row.sum(1) for row in rows]).sum(0) / event_size(x)


def time_dtype(x: Tensor) -> torch.dtype:
    """In which times of a state are kept: its dtype, but float32 at least; bf16 has 128 times between 1/2 and 1."""
    dtype = x.dtype if x.dtype.is_floating_point else torch.get_default_dtype()
    return torch.promote_types(dtype, torch.float32)


def broadcast_time(t: Tensor | float, x: State) -> Tensor:
    """`t` as `[B]` on the device of `x`, in its `time_dtype`; the door through which scalar times enter."""
    leaf = leaves(x)[0]
    t = torch.as_tensor(t, dtype=time_dtype(leaf), device=leaf.device)
    if t.ndim == 0:
        return t.repeat(leaf.shape[0])  # own memory: forward mode refuses what `expand` gives
    if t.shape != leaf.shape[:1]:
        hint = "use t.squeeze(1)" if t.ndim == 2 and t.shape[1] == 1 else "give one time per row"
        raise InvalidInput(f"t has shape {list(t.shape)}, expected [{leaf.shape[0]}] (one time per row); {hint}")
    return t


def null_condition(cond: S) -> S:
    """The condition that says nothing: -1 for labels (integers), NaN for vectors.

    Every reference network maps these values to an embedding of its own, so that guidance needs to know neither the
    number of classes nor the network.
    """
    return map_state(lambda c: torch.full_like(c, float("nan") if c.is_floating_point() else -1), cond)


def drop_condition(cond: S, rate: float, *, generator: torch.Generator | None = None) -> S:
    """Replace each row's condition by the null condition with probability `rate`, all leaves of a row together."""
    if cond is None or rate == 0.0:
        return cond
    first = leaves(cond)[0]
    device = first.device if generator is None else generator.device
    dropped = (torch.rand(first.shape[0], generator=generator, device=device) < rate).to(first.device)
    return map_state(lambda c, null: torch.where(align(dropped, c), null, c), cond, null_condition(cond))
