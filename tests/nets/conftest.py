"""Networks as they are in the middle of a training."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


@pytest.fixture
def perturbed() -> Callable[[nn.Module], nn.Module]:
    """Moves every parameter a little, so that heads and gates that start at zero let their inputs be seen."""

    def run(net: nn.Module) -> nn.Module:
        g = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn(p.shape, generator=g), alpha=0.1)
        return net

    return run
