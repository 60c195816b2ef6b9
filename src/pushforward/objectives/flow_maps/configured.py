"""What the published choices of parts share."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from pushforward.core import Field, Gen, Loss, Pairs, Path
from pushforward.fields import NetMap
from pushforward.objectives.flow_maps.matching import FlowMapMatching

__all__ = ["Configured"]


class Configured(ABC):
    """An objective that is `FlowMapMatching` with parts that its own arguments choose."""

    path: Path
    cond_drop: float
    network_times = FlowMapMatching.network_times

    def __post_init__(self) -> None:
        self.at(0.0)  # the parts refuse what makes no sense

    @abstractmethod
    def at(self, progress: float) -> FlowMapMatching:
        """The loss at a share `progress` in [0, 1] of the training."""

    def __call__(self, net: nn.Module | Callable[..., Tensor], batch: Pairs, *, generator: Gen = None) -> Loss:
        """The loss of `net` on a batch of pairs, as at the end of the training."""
        return self.at(1.0)(net, batch, generator=generator)

    def flow_map(self, net: nn.Module) -> NetMap:
        """The flow map that `net` has learned."""
        return self.at(1.0).flow_map(net)

    def field(self, net: nn.Module) -> Field:
        """The velocity that `net` has learned."""
        return self.at(1.0).field(net)
