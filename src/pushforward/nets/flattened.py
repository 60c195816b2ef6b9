"""A network of vectors on states of any shape."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pushforward.core import Cond, State, batch_size, map_state, require, shapes

__all__ = ["Flattened"]


class Flattened(nn.Module):
    r"""A network on vectors that is told all numbers of a state, and whose answer is cut into its leaves.

    .. math:: (u_1, \dots, u_n) = \mathrm{net}\big([\mathrm{vec}\, x_1, \dots, \mathrm{vec}\, x_n],\ t,\ c\big)

    The order is that of the names, sorted. What `Joined` does for leaves that fit side by side, this does for any:
    frames with places `[N, 3]` and rotations `[N, 3, 3]`. It knows no symmetry.

    Args:
        net: On vectors `[B, D]`, D the numbers of a row, such as `MLP((D,))`.

    Shapes: leaves `[B, *E]`, `t` as the network wants it; gives leaves of the same shapes, with the first event axis k
        times as long where the network answers with k quantities (`outputs`).
    Raises: `InvalidInput` for a network that answers with another number of entries.

    Example:
        >>> net = Flattened(pf.nets.MLP((12,)))
        >>> out = net({"shift": torch.zeros(4, 3), "rotation": torch.zeros(4, 3, 3)}, torch.zeros(4))
        >>> out["rotation"].shape
        torch.Size([4, 3, 3])
    """

    def __init__(self, net: nn.Module | Callable[..., Tensor]) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: State, t: Tensor, cond: Cond = None) -> State:
        """The answer, cut into leaves."""
        names = [""] if isinstance(x, Tensor) else sorted(x)
        whole = {"": x} if isinstance(x, Tensor) else x
        sizes = [math.prod(whole[name].shape[1:]) for name in names]
        told = torch.cat([whole[name].reshape(batch_size(x), -1) for name in names], 1)
        out = self.net(told, t, cond)
        require(
            out.ndim == 2 and out.shape[1] % sum(sizes) == 0,
            f"the network answers with {list(out.shape)} for states {shapes(x)}, {sum(sizes)} numbers a row; build it "
            "for vectors of so many",
        )
        cut = dict(zip(names, out.unflatten(1, (-1, sum(sizes))).split(sizes, 2), strict=True))

        def shaped(part: Tensor, leaf: Tensor) -> Tensor:
            first, *rest = leaf.shape[1:] or (1,)
            return part.reshape(leaf.shape if part.shape[1] == 1 else (len(leaf), part.shape[1] * first, *rest))

        parts = {name: shaped(cut[name], whole[name]) for name in names}
        return parts[""] if isinstance(x, Tensor) else map_state(lambda _, part: part, dict(x), parts)
