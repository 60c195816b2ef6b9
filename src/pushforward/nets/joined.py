"""A network on states of several parts."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pushforward.core import Cond, InvalidInput, State, require, shapes

__all__ = ["Joined"]


class Joined(nn.Module):
    r"""A network on mappings: the leaves are laid side by side on the first event axis, and so is its answer.

    .. math:: (u_1, \dots, u_n) = \mathrm{net}\big([x_1, \dots, x_n],\ t,\ c\big)

    The order is that of the names, sorted, whatever the order of the mapping. Single numbers `[B]` get an axis of their
    own; all other axes must agree: vectors beside vectors, maps beside images of the same height and width.

    Args:
        net: Built for the sum of the first event axes; any field on tensors, such as an exact one, will do, too.

    Shapes: leaves `[B, C_i, *E]` or `[B]`, `t` as the network wants it; gives leaves of the same shapes, with the first
        event axis k times as long where the network answers with k quantities (`outputs`).
    Raises: `InvalidInput` for states that are no mappings, and for leaves that do not fit side by side.

    Example:
        >>> net = Joined(pf.nets.MLP((2 + 3,)))
        >>> out = net({"data": torch.zeros(4, 2), "label": torch.zeros(4, 3)}, torch.zeros(4))
        >>> out["data"].shape, out["label"].shape
        (torch.Size([4, 2]), torch.Size([4, 3]))
    """

    def __init__(self, net: nn.Module | Callable[..., Tensor]) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: State, t: Tensor, cond: Cond = None) -> dict[str, Tensor]:
        """The answer, cut into leaves."""
        if not isinstance(x, Mapping):
            raise InvalidInput(f"x has shape {shapes(x)}, Joined takes a mapping of tensors; use the network inside")
        names = sorted(x)
        parts = [x[name][:, None] if x[name].ndim == 1 else x[name] for name in names]
        require(
            len({part.shape[2:] for part in parts}) == 1,
            f"x has shapes {shapes(x)}, which do not lie side by side on the first event axis; flatten the leaves, or "
            "spread the smaller ones over the other axes",
        )
        sizes = [part.shape[1] for part in parts]
        out = self.net(torch.cat(parts, 1), t, cond)
        cut = out.unflatten(1, (-1, sum(sizes))).split(sizes, 2)
        several = out.shape[1] > sum(sizes)
        return {
            name: part.flatten(1, 2) if several else part.reshape(x[name].shape)
            for name, part in zip(names, cut, strict=True)
        }
