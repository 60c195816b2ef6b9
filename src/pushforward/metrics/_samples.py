"""Sample sets: what every metric accepts, and the checks at its door."""

from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import require

__all__ = ["Samples", "as_samples", "as_vectors", "pair"]

Samples: TypeAlias = Tensor | np.ndarray


def as_samples(x: Samples, name: str) -> Tensor:
    """`x` `[N, *E]` as a floating tensor (at least float32) with at least one row and finite entries."""
    # from_numpy refuses negative strides and warns about read-only memory
    x = x if isinstance(x, Tensor) else torch.from_numpy(np.require(x, requirements=["C", "W"]))
    require(x.ndim >= 1 and x.numel() > 0, f"{name} has shape {list(x.shape)}, expected [N, *E] with at least one row")
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    elif x.dtype.itemsize < 4:
        x = x.float()
    broken = ~torch.isfinite(x.detach().reshape(len(x), -1)).all(1)
    require(
        not broken.any(),
        f"{name} has NaN or infinite entries in {int(broken.sum())} of {len(x)} rows, first in row "
        f"{int(broken.int().argmax())}; drop these rows, or mend what made them",
    )
    return x


def as_vectors(*sets: tuple[Samples, str]) -> tuple[Float[Tensor, "_ d"], ...]:
    """Named sample sets, flattened to `[N_i, D]`, in one dtype and on the device of the first."""
    tensors = [as_samples(x, name) for x, name in sets]
    first, dtype = tensors[0], tensors[0].dtype
    for x, (_, name) in zip(tensors, sets, strict=True):
        require(
            x.shape[1:] == first.shape[1:],
            f"{name} has rows of shape {list(x.shape[1:])}, expected {list(first.shape[1:])} as in {sets[0][1]}; "
            "compare samples of one space",
        )
        dtype = torch.promote_types(dtype, x.dtype)
    return tuple(x.reshape(len(x), -1).to(first.device, dtype) for x in tensors)


def pair(x: Samples, y: Samples) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    """Two sample sets that are to be compared, flattened."""
    a, b = as_vectors((x, "x"), (y, "y"))
    return a, b
