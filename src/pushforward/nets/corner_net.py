"""A network with one answer per marginal."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond, Incompatible, require

__all__ = ["CornerNet"]


class CornerNet(nn.Module):
    r"""A reference network that is told a point of the simplex and answers with one state per marginal.

    .. math:: (g_1, \dots, g_K) = \mathrm{net}\big((x, \dots, x),\ 0,\ a\big)

    The wrapped network sees K copies of the state along the first event axis, so that what it answers has room for all
    K; the point takes the place of a vector condition, and its time stays at 0. Vectors of size F become a network of
    shape (K F,), images of C channels one of (K C, H, W).

    Args:
        net: Built for the first event axis times `marginals`, with `features=marginals`; more features are those of a
            vector condition, of which there is no null.
        marginals: K >= 1.

    Shapes: `x` `[B, C, *E]`, `a` `[B, K]`; gives `[B, K, C, *E]`.
    Raises: `InvalidInput` for points of another size; `Incompatible` for a condition that is no vector.

    Example:
        >>> net = CornerNet(pf.nets.MLP((3 * 2,), features=3), marginals=3)
        >>> net(torch.zeros(5, 2), torch.full((5, 3), 1 / 3)).shape
        torch.Size([5, 3, 2])
    """

    def __init__(self, net: nn.Module, marginals: int) -> None:
        super().__init__()
        require(marginals >= 1, f"CornerNet got marginals={marginals}, expected at least 1")
        self.net, self.marginals = net, marginals

    def forward(
        self, x: Float[Tensor, "b c *e"], a: Float[Tensor, "b k"], cond: Cond = None
    ) -> Float[Tensor, "b k c *e"]:
        """One state per marginal."""
        require(
            a.shape == (len(x), self.marginals),
            f"a has shape {list(a.shape)}, expected [{len(x)}, {self.marginals}]: a weight per row and marginal",
        )
        told = a.to(x.dtype)
        if cond is not None:
            vector = isinstance(cond, Tensor) and cond.ndim == 2 and cond.is_floating_point()
            require(vector, "CornerNet takes vector conditions [B, F]; give labels as one-hot vectors", Incompatible)
            told = torch.cat([told, cond], 1)  # pyright: ignore[reportArgumentType, reportCallIssue]
        copies = x.repeat(1, self.marginals, *[1] * (x.ndim - 2))
        return self.net(copies, torch.zeros_like(a[:, 0]), told).unflatten(1, (self.marginals, x.shape[1]))
