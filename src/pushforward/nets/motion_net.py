"""A network for the start of a motion and one for its change."""

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.core import Cond

__all__ = ["MotionNet"]


class MotionNet(nn.Module):
    """Two networks as one module: an initial velocity, and the acceleration that goes with it.

    Args:
        velocity: `velocity(x, t, cond)`, shaped like x.
        acceleration: `acceleration(y, t, cond)`, with y the state and, beside it on the first event axis, the initial
            velocity. Of its answer the first half counts, so that a reference network for twice the channels will do;
            one that answers with a state is fine, too.

    Shapes: `x` `[B, C, *E]`, `t` `[B]`, y `[B, 2 C, *E]`; called itself it is the first network.

    Example:
        >>> net = MotionNet(pf.nets.MLP((2,)), pf.nets.MLP((4,)))
        >>> net(torch.zeros(5, 2), torch.zeros(5)).shape
        torch.Size([5, 2])
    """

    def __init__(self, velocity: nn.Module, acceleration: nn.Module) -> None:
        super().__init__()
        self.velocity, self.acceleration = velocity, acceleration

    def forward(self, x: Float[Tensor, "b *e"], t: Float[Tensor, " b"], cond: Cond = None) -> Float[Tensor, "b *e"]:
        """The initial velocity."""
        return self.velocity(x, t, cond)
