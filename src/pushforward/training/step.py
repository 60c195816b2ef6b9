"""Net and objective as one module: what is wrapped for several devices."""

from torch import nn

from pushforward.core import Gen, Loss, Objective, Pairs, at

__all__ = ["TrainingStep"]


class TrainingStep(nn.Module):
    """Batch -> Loss.

    Distributed wrappers hide a net's methods and allow one call a step; wrapped here, an objective may call the net
    as often and as it likes. An objective that is itself a module (a learned path or coupling) is trained, averaged
    and kept along with the net.

    Args:
        net: What is trained.
        objective: Called as `objective(net, batch, generator=g)`.
    """

    def __init__(self, net: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.net = net
        self.objective = objective

    def forward(self, pairs: Pairs, generator: Gen = None, progress: float = 1.0) -> Loss:
        """The loss of one batch, when a share `progress` of the training is done."""
        return at(self.objective, progress)(self.net, pairs, generator=generator)
