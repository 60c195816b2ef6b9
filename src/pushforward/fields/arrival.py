"""A point estimate of where a state arrives on a curved space."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pushforward.core import InvalidInput, State, map_state, same_shape, shapes

__all__ = ["Arrival"]


class Arrival(NamedTuple):
    r"""An endpoint, scored by the ways that lead from x to it and to the target: tangent vectors at one point.

    .. math:: \ell(m, y) = w \sum_k \frac{\lambda_k}{n_k} \lVert \log_x m - \log_x y \rVert_{g(x), k}^2

    The sum is over the parts of a product; without shares there is one, the whole. The best m has
    :math:`\log_x m = \mathrm E[\log_x y]`, a vector no longer than the logarithms that it is the mean of.

    Shapes: `mean`, `x` and targets `[B, *E]` (or mappings), `weight` `[B]`; the loss is `[B]`.
    Raises: `InvalidInput` for a mean that is not shaped like its target.

    Example:
        >>> x = torch.zeros(1, 2)
        >>> Arrival(x, x, pf.spaces.Euclidean(), torch.full((1,), 4.0)).loss(torch.tensor([[1.0, 1.0]]))
        tensor([4.])
    """

    mean: State
    x: State
    space: Any  # a smooth space that knows its dimension
    weight: Tensor
    shares: Mapping[str, float] | None = None

    def loss(self, target: State) -> Tensor:
        """Weighted squared length of the gap between both ways, of every row."""
        if not same_shape(self.mean, target):
            raise InvalidInput(
                f"the network says ends of shape {shapes(self.mean)} for targets of shape {shapes(target)}; let it "
                "return one number per feature of the state"
            )
        found, wanted = self.space.log(self.x, self.mean), self.space.log(self.x, target)
        gap = map_state(torch.sub, found, wanted)
        if self.shares is None:
            return self.weight * self.space.inner(self.x, gap, gap) / self.space.dimension(self.x)
        rows = [
            share * self.space[k].inner(self.x[k], gap[k], gap[k]) / self.space[k].dimension(self.x[k])  # pyright: ignore[reportArgumentType, reportCallIssue]
            for k, share in self.shares.items()
        ]
        return self.weight * torch.stack(rows).sum(0)
