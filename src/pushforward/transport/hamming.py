"""What it costs to change symbols."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import State, leaves, require, same_shape, shapes

__all__ = ["Hamming"]


@dataclass(frozen=True)
class Hamming:
    r"""The number of positions at which two sequences differ; a mapping is the concatenation of its leaves.

    .. math:: c(x_0, x_1) = \sum_i 1[x_0^i \ne x_1^i]

    Shapes: `x0` `[n, *E]`, `x1` `[m, *E]` int64; gives `[n, m]`.
    Raises: `InvalidInput` for states that are no integers or differ in shape.

    Example:
        >>> Hamming()(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 1], [2, 0, 1]]))
        tensor([[1., 3.]])
    """

    symmetric: ClassVar[bool] = True

    def __call__(self, x0: State, x1: State) -> Float[Tensor, "n m"]:
        """Costs."""
        rows = [[leaf[:1] for leaf in leaves(x)] for x in (x0, x1)]
        integers = not any(leaf.is_floating_point() for leaf in (*leaves(x0), *leaves(x1)))
        require(
            integers and all(len(a) == len(b) == 1 and same_shape(a, b) for a, b in zip(*rows, strict=True)),
            f"Hamming compares symbols of one shape, got {shapes(x0)} and {shapes(x1)}; give int64 states, or use "
            "SquaredEuclidean() for numbers",
        )
        flat = [torch.cat([leaf.reshape(len(leaf), -1) for leaf in leaves(x)], 1).double() for x in (x0, x1)]
        return torch.cdist(*flat, p=0.0).to(torch.get_default_dtype())
