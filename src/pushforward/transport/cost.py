"""What it costs to go from here to there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import State, leaves, require

__all__ = ["CosineDistance", "Cost", "PNorm", "SquaredEuclidean", "squared_euclidean"]

_DIRECT = 16  # coordinates up to which differences are taken one by one, without a matrix product and its cancellation


@runtime_checkable
class Cost(Protocol):
    """What it costs to move every row of one batch to every row of another; any callable of this shape is one.

    The batches are states `[n, *E]` and `[m, *E]`, tensors or mappings; the answer is `[n, m]`, finite, less is better.
    """

    def __call__(self, x0: State, x1: State, /) -> Tensor:
        """Costs."""
        ...


def _shapes(x: State, skip: int = 0) -> str:
    return str({k: list(v.shape[skip:]) for k, v in x.items()} if isinstance(x, Mapping) else list(x.shape[skip:]))


def _flat(x: State) -> Float[Tensor, "n d"]:
    """The event axes flattened, the leaves side by side, half precision as float32."""
    rows = [leaf.reshape(len(leaf), -1) for leaf in leaves(x)]
    flat = torch.cat(rows, 1) if len(rows) > 1 else rows[0]
    return flat.to(torch.promote_types(flat.dtype, torch.float32))


def _vectors(x0: State, x1: State) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    """Both batches as real vectors.

    Raises: `InvalidInput` for batches without rows, and for states that are no vectors of one space.
    """
    names = [sorted(x) if isinstance(x, Mapping) else [] for x in (x0, x1)]
    every = (*leaves(x0), *leaves(x1))
    require(
        names[0] == names[1] and all(leaf.is_floating_point() for leaf in every),
        f"states of shapes {_shapes(x0)} and {_shapes(x1)} have no distance; give real-valued states, tensors or "
        "mappings with the same keys, or pair them without a cost (Independent)",
    )
    x0, x1 = ({name: x[name] for name in names[0]} if isinstance(x, Mapping) else x for x in (x0, x1))
    require(
        _shapes(x0, skip=1) == _shapes(x1, skip=1) and all(len(leaf) > 0 for leaf in every),
        f"states of shapes {_shapes(x0)} and {_shapes(x1)} cannot be compared; "
        "give at least one row of each, with the same event shape",
    )
    return _flat(x0), _flat(x1)


def squared_euclidean(x: Float[Tensor, "n *e"], y: Float[Tensor, "m *f"]) -> Float[Tensor, "n m"]:
    r"""Squared distances between all rows, event axes flattened.

    .. math:: C_{ij} = |x_i - c|^2 + |y_j - c|^2 - 2\,(x_i - c)\cdot(y_j - c), \qquad c = \tfrac12(\bar x + \bar y)

    One matrix product. Without the common centre `c` clouds far from the origin lose their digits to cancellation: at a
    distance of 1000 spreads float32 is left with an error of 1e-2 instead of 4e-7. Never below zero; dtype and device
    are the inputs', half precision counts as float32.

    Example:
        >>> squared_euclidean(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]]))
        tensor([[9.],
                [4.]])
    """
    require(
        x.shape[1:] == y.shape[1:] and len(x) > 0 and len(y) > 0,
        f"states of shapes {list(x.shape)} and {list(y.shape)} cannot be compared; "
        "give at least one row of each, with the same event shape",
    )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.reshape(len(x), -1).to(dtype), y.reshape(len(y), -1).to(dtype)
    centre = (x.mean(0) + y.mean(0)) / 2
    x, y = x - centre, y - centre
    cost = torch.linalg.vecdot(x, x)[:, None] + torch.linalg.vecdot(y, y)
    return cost.addmm_(x, y.T, alpha=-2).clamp_min_(0)


@dataclass(frozen=True)
class SquaredEuclidean:
    r"""The squared distance, the cost of :math:`W_2`; a mapping is the concatenation of its leaves.

    .. math:: c(x_0, x_1) = |x_0 - x_1|^2

    Shapes: `x0` `[n, *E]`, `x1` `[m, *E]`; gives `[n, m]`. See `squared_euclidean`.
    Raises: `InvalidInput` for states that are not real-valued or differ in shape.

    Example:
        >>> SquaredEuclidean()(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]]))
        tensor([[9.],
                [4.]])
    """

    symmetric: ClassVar[bool] = True

    def __call__(self, x0: State, x1: State) -> Float[Tensor, "n m"]:
        """Costs."""
        return squared_euclidean(*_vectors(x0, x1))


@dataclass(frozen=True)
class PNorm:
    r"""A norm of the difference, or a power of it; a mapping is the concatenation of its leaves.

    .. math:: c(x_0, x_1) = |x_0 - x_1|_p^{\,q}, \qquad |z|_p = \Big(\sum_k |z_k|^p\Big)^{1/p}

    The plain distance (p = 2, q = 1) is the cost of :math:`W_1`. On the line it has many optimal pairings of equal
    cost, where the squared distance has one.

    Args:
        p: Which norm, >= 1; infinity is the largest coordinate.
        power: q > 0.

    Shapes: `x0` `[n, *E]`, `x1` `[m, *E]`; gives `[n, m]`.
    Raises: `InvalidInput` for states that are not real-valued or differ in shape.

    Example:
        >>> PNorm(1)(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, -4.0]]))
        tensor([[7.]])
    """

    symmetric: ClassVar[bool] = True

    p: float = 2.0
    power: float = 1.0

    def __post_init__(self) -> None:
        require(self.p >= 1, f"p is {self.p}, expected at least 1 (infinity included)")
        require(self.power > 0, f"power is {self.power}, expected a positive number")

    def __call__(self, x0: State, x1: State) -> Float[Tensor, "n m"]:
        """Costs."""
        x, y = _vectors(x0, x1)
        if self.p == 2 and x.shape[1] > _DIRECT:
            square = squared_euclidean(x, y)
            return square if self.power == 2 else square.pow(self.power / 2)
        distance = torch.cdist(x, y, self.p, compute_mode="donot_use_mm_for_euclid_dist")
        return distance if self.power == 1 else distance.pow(self.power)


@dataclass(frozen=True)
class CosineDistance:
    r"""One minus the cosine of the angle: what embeddings are compared by; lengths do not count.

    .. math:: c(x_0, x_1) = 1 - \frac{x_0 \cdot x_1}{|x_0|\,|x_1|} \in [0, 2]

    A zero vector has no direction: it costs 1 to any other, and 0 to another zero vector.

    Shapes: `x0` `[n, *E]`, `x1` `[m, *E]`; gives `[n, m]`.
    Raises: `InvalidInput` for states that are not real-valued or differ in shape.

    Example:
        >>> CosineDistance()(torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
        tensor([[0., 1., 2.]])
    """

    symmetric: ClassVar[bool] = True

    def __call__(self, x0: State, x1: State) -> Float[Tensor, "n m"]:
        """Costs."""
        x, y = (_unit(z) for z in _vectors(x0, x1))
        return (1 - x @ y.T).clamp_min(0)


def _unit(x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
    """Rows of length 1; one more axis is where rows of zeros point."""
    largest = x.abs().amax(1, keepdim=True)  # divided out first, so that squares neither vanish nor overflow
    x = torch.cat([torch.where(largest > 0, x / largest, 0.0), (largest == 0).to(x)], 1)
    return x / x.norm(dim=1, keepdim=True)
