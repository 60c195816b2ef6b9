"""A large network that is asked once, and a small one that is asked often."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond

__all__ = ["TransitionNet"]


class TransitionNet(nn.Module):
    """A backbone and a head that is told the backbone's features in the place of a condition.

    Args:
        backbone: `backbone(x, t, cond)` gives features h, `[B, F]` where the head is a reference network.
        head: `head(y, s, h)`, shaped like y: a reference network built with `features=F`.

    Shapes: `x`, y `[B, *E]`, `t`, s `[B]`; called itself it is the backbone.

    Example:
        >>> net = TransitionNet(pf.nets.MLP((2,), outputs=8), pf.nets.MLP((2,), features=16))
        >>> h = net(torch.zeros(5, 2), torch.zeros(5))
        >>> net.head(torch.zeros(5, 2), torch.zeros(5), h).shape
        torch.Size([5, 2])
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Float[Tensor, "b *e"], t: Float[Tensor, " b"], cond: Cond = None) -> Any:
        """The features."""
        return self.backbone(x, t, cond)
