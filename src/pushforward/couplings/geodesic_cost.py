"""What transport costs on a curved space."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pushforward.core import Incompatible, Space, State, leaves, map_state, require

__all__ = ["GeodesicCost"]


@dataclass(frozen=True)
class GeodesicCost:
    r"""Squared geodesic distances, for couplings on curved spaces.

    .. math:: C_{ij} = d(x_i, y_j)^2

    Args:
        space: Where both batches live; knows `distance`.

    Shapes: states `[n, *E]` and `[m, *E]`; gives `[n, m]`.
    Raises: `Incompatible` at construction for a space without distances.

    Example:
        >>> GeodesicCost(pf.spaces.Torus(period=1.0))(torch.tensor([[0.1]]), torch.tensor([[0.9], [0.2]]))
        tensor([[0.0400, 0.0100]])
    """

    space: Space

    def __post_init__(self) -> None:
        require(
            hasattr(self.space, "distance"),
            f"{type(self.space).__name__} knows no distances; give another cost, or pair without one (Independent)",
            Incompatible,
        )

    def __call__(self, x0: State, x1: State, /) -> Float[Tensor, "n m"]:
        """Costs of all pairs."""
        n, m = len(leaves(x0)[0]), len(leaves(x1)[0])
        rows = map_state(lambda p: p.repeat_interleave(m, 0), x0)
        columns = map_state(lambda p: p.repeat(n, *[1] * (p.ndim - 1)), x1)
        space: Any = self.space
        return space.distance(rows, columns).square().view(n, m)
