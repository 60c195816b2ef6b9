"""A point estimate of several parts, each with a share of the loss."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.core import InvalidInput, State, shapes
from pushforward.fields.dirac import Dirac

__all__ = ["Shared"]


class Shared(NamedTuple):
    r"""A point estimate of a mapping, whose leaves count as told, whatever their sizes.

    .. math:: \ell(m, y) = \sum_k w_k\, \tfrac1{d_k} \lVert m_k - y_k \rVert^2

    Shapes: leaves of `mean` and targets `[B, *E]`, one share for each; the loss is `[B]`.
    Raises: `InvalidInput` for states without these leaves, and for a mean that is not shaped like its target.

    Example:
        >>> mean = {"a": torch.zeros(1, 3), "b": torch.zeros(1, 1)}
        >>> Shared(mean, {"a": 0.5, "b": 2.0}).loss({"a": torch.ones(1, 3), "b": torch.ones(1, 1)})
        tensor([2.5000])
    """

    mean: State
    shares: Mapping[str, float]

    def loss(self, target: State) -> Tensor:
        """Squared errors of every row, each a mean over its leaf, times their shares."""
        mean, names = self.mean, self.shares.keys()
        if not (isinstance(mean, Mapping) and isinstance(target, Mapping) and mean.keys() == target.keys() == names):
            raise InvalidInput(
                f"the network gave {shapes(mean)} for targets {shapes(target)}, with shares for {sorted(names)}; give "
                "every leaf of the state its share"
            )
        return torch.stack([share * Dirac(mean[k]).loss(target[k]) for k, share in self.shares.items()]).sum(0)
