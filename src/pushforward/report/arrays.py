"""What pictures are made from: arrays or tensors, brought to the shape a picture needs."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["Array", "class_labels", "class_name", "images", "is_image", "points", "span", "to_numpy"]

Array: TypeAlias = np.ndarray | Tensor
_LONGEST = 14  # letters of a class's name in a picture


def to_numpy(x: Array) -> np.ndarray:
    """An array from a tensor on any device; arrays pass."""
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else x


def class_labels(cond: Array | None, count: int, name: str) -> np.ndarray | None:
    """Labels `[N]`, or None when the condition is no label (a vector) or never says one (-1 throughout).

    Raises: `InvalidInput` when there are not `count` of them.
    """
    if cond is None:
        return None
    labels = to_numpy(cond)
    require(
        labels.shape[:1] == (count,),
        f"{name} has shape {list(labels.shape)}, expected one entry for each of {count} rows",
    )
    return labels if labels.ndim == 1 and labels.dtype.kind in "iu" and (labels >= 0).any() else None


def class_name(label: int, names: Sequence[str] | None) -> str:
    """What a label is called: its name, cut where it is long, or the number itself.

    Example:
        >>> class_name(1, ("cat", "dog")), class_name(7, ("cat", "dog")), class_name(1, None)
        ('dog', '7', '1')
    """
    if names is None or label >= len(names):
        return str(label)
    return names[label] if len(names[label]) <= _LONGEST else names[label][: _LONGEST - 1] + "…"


def is_image(event: Sequence[int]) -> bool:
    """Whether rows of shape `event` can be shown as pictures: H x W or C x H x W, C 1 or 3, sides of 4 or more.

    Example:
        >>> is_image((1, 8, 8)), is_image((28, 28)), is_image((64,)), is_image((3, 3))
        (True, True, False, False)
    """
    return len(event) in (2, 3) and min(event[-2:]) >= 4 and (len(event) == 2 or event[0] in (1, 3))


def images(x: Array, shape: Sequence[int] | None = None, name: str = "x") -> Float[np.ndarray, "n c h w"]:
    """Rows `[N, H, W]`, `[N, C, H, W]`, or anything that reshapes to `shape`, as `[N, C, H, W]`.

    Raises: `InvalidInput` when the rows are no images.
    """
    a = to_numpy(x)
    event = a.shape[1:] if shape is None else tuple(shape)
    require(
        is_image(event),
        f"{name} has shape {list(a.shape)}, expected images [N, H, W] or [N, C, H, W] with 1 or 3 channels; "
        "for flat rows give shape=(H, W)",
    )
    require(
        math.prod(a.shape[1:]) == math.prod(event),
        f"{name} has shape {list(a.shape)}, whose rows do not hold {' x '.join(map(str, event))} values; mend shape",
    )
    channels, height, width = event if len(event) == 3 else (1, *event)
    return a.reshape(len(a), channels, height, width).astype(np.float64)


def points(x: Array, dim: int | None = None, name: str = "x") -> Float[np.ndarray, "n d"]:
    """Rows `[N, *E]` flattened to `[N, D]`; `dim` is the D that is needed, None for any.

    Raises: `InvalidInput` when D is another one, or there is nothing to show.
    """
    a = to_numpy(x)
    require(a.ndim >= 1 and a.size > 0, f"{name} has shape {list(a.shape)}, expected at least one row [N, D]")
    a = a.reshape(len(a), -1).astype(np.float64)
    wanted = "D" if dim is None else dim
    require(dim in (None, a.shape[1]), f"{name} has rows of {a.shape[1]} values, expected [N, {wanted}]")
    return a


def span(*arrays: np.ndarray | None) -> tuple[float, float]:
    """Smallest and largest finite value of all arrays together; a constant gets a width of one.

    Example:
        >>> span(np.array([0.0, 4.0]), None, np.array([np.nan, -1.0]))
        (-1.0, 4.0)
    """
    finite = [a[np.isfinite(a)] for a in arrays if a is not None]
    low = min((a.min() for a in finite if a.size), default=0.0)
    high = max((a.max() for a in finite if a.size), default=0.0)
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(high) + 0.5)
