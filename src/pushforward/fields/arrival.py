"""A point estimate of where a state arrives on a curved space."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from pushforward.core import InvalidInput, State, map_state, same_shape, shapes

__all__ = ["Arrival"]


class Arrival(NamedTuple):
    r"""An endpoint, told by the way that leads there, and scored by the gap between ways: tangent vectors at one point.

    .. math:: m = \exp_x u, \qquad
              \ell(u, y) = w \sum_k \frac{\lambda_k}{n_k} \lVert u - \log_x y \rVert_{g(x), k}^2

    The sum is over the parts of a product; without shares there is one, the whole. The best way is
    :math:`\mathrm E[\log_x y]`, no longer than the logarithms that it is the mean of.

    Shapes: `way`, `x` and targets `[B, *E]` (or mappings), `weight` `[B]`; the loss is `[B]`.
    Raises: `InvalidInput` for a way that is not shaped like its target.

    Example:
        >>> x = torch.zeros(1, 2)
        >>> Arrival(x, x, pf.spaces.Euclidean(), torch.full((1,), 4.0)).loss(torch.tensor([[1.0, 1.0]]))
        tensor([4.])
    """

    way: State
    x: State
    space: Any  # a smooth space that knows its dimension
    weight: Tensor
    shares: Mapping[str, float] | None = None

    @property
    def mean(self) -> State:
        """Where the way leads."""
        return self.space.exp(self.x, self.way)

    def loss(self, target: State) -> Tensor:
        """Weighted squared length of the gap between both ways, of every row."""
        if not same_shape(self.way, target):
            raise InvalidInput(
                f"the network says ways of shape {shapes(self.way)} to ends of shape {shapes(target)}; let it return "
                "one number per feature of the state"
            )
        gap: Any = map_state(torch.sub, self.way, self.space.log(self.x, target))
        if self.shares is None:
            return self.weight * self.space.inner(self.x, gap, gap) / self.space.dimension(self.x)
        x, rows = cast(Any, self.x), []
        for name, share in self.shares.items():
            part = self.space[name]
            rows.append(share / part.dimension(x[name]) * part.inner(x[name], gap[name], gap[name]))
        return self.weight * torch.stack(rows).sum(0)
