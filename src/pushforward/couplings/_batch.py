"""What every coupling asks of its batches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pushforward.core import Cond, InvalidInput, State, leaves, require
from pushforward.transport import squared_euclidean


def shapes(x: State) -> str:
    """The shape of a state, or of each of its leaves, for a message."""
    return str({k: list(v.shape) for k, v in x.items()} if isinstance(x, Mapping) else list(x.shape))


def check_rows(x0: State, x1: State, cond: Cond) -> None:
    """Refuse batches that do not have one source row and one condition for every data row."""
    rows = {leaf.shape[0] for leaf in (*leaves(x0), *leaves(x1))}
    require(len(rows) == 1, f"x0 has shape {shapes(x0)} and x1 {shapes(x1)}; give both the same number of rows")
    if cond is not None:
        require(
            {leaf.shape[0] for leaf in leaves(cond)} == rows,
            f"cond has shape {shapes(cond)} and x1 {shapes(x1)}; give one condition for every row of x1",
        )


def check_tensors(x0: State, x1: State, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Both batches, when they are tensors of rows of the shape that a learned coupling was built for."""
    for name, x in (("x0", x0), ("x1", x1)):
        require(
            isinstance(x, Tensor) and tuple(x.shape[1:]) == shape,
            f"{name} has shape {shapes(x)}, this coupling was built for [B, {', '.join(map(str, shape))}]",
        )
    assert isinstance(x0, Tensor)
    assert isinstance(x1, Tensor)
    return x0, x1


@torch.no_grad()
def pairwise_cost(x: State, y: State) -> Tensor:
    """Squared distances `[B, B]` between the rows of `x` and of `y`, summed over the leaves of a mapping."""
    if isinstance(x, Mapping) and isinstance(y, Mapping) and x.keys() == y.keys():
        return torch.stack([pairwise_cost(x[name], y[name]) for name in x]).sum(0)
    if isinstance(x, Tensor) and isinstance(y, Tensor) and x.is_floating_point() and y.is_floating_point():
        return squared_euclidean(x, y)
    raise InvalidInput(
        f"states of shapes {shapes(x)} and {shapes(y)} have no squared distance; give real-valued states, tensors or "
        "mappings with the same keys, or couple them with Independent()"
    )
