"""What every coupling asks of its batches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pushforward.core import Cond, State, batch_size, leaves, require, take
from pushforward.transport import Cost, SquaredEuclidean

SQUARED = SquaredEuclidean()
_BLOCK = 128  # rows whose pairwise costs are worth less than another call


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
def pairwise_cost(x1: State, x0: State, cost: Cost = SQUARED) -> Tensor:
    """What it costs to pair the rows: `[B, B]`, a row for every row of `x1` and a column for every row of `x0`.

    Raises: `InvalidInput` for a cost that gives something else than `[B, B]` real numbers.
    """
    # the parts of the library do not mind the order, which saves a transposed copy
    symmetric = getattr(cost, "symmetric", False)
    matrix = cost(x1, x0) if symmetric else cost(x0, x1)
    size = (batch_size(x1), batch_size(x0)) if symmetric else (batch_size(x0), batch_size(x1))
    require(
        matrix.shape == size and matrix.is_floating_point(),
        f"the cost gave {matrix.dtype} of shape {list(matrix.shape)}, expected real numbers of shape {list(size)}: "
        "one row for every row of x0, one column for every row of x1",
    )
    return matrix if symmetric else matrix.T


@torch.no_grad()
def paired_cost(x0: State, x1: State, cost: Cost = SQUARED) -> Tensor:
    """What row i of `x0` costs with row i of `x1`, `[B]`."""
    rows = torch.arange(batch_size(x0), device=leaves(x0)[0].device)
    return torch.cat([pairwise_cost(take(x1, k), take(x0, k), cost).diagonal() for k in rows.split(_BLOCK)])
