"""An objective is asked what is due at every step."""

from dataclasses import dataclass, field

import pytest
import torch

from pushforward.core import Loss
from pushforward.couplings import VariationalNoise
from pushforward.data import Arrays
from pushforward.nets import MLP
from pushforward.objectives import FlowMatching, Joint
from pushforward.training import Feed, Training, train


@dataclass(frozen=True)
class Watched:
    """FlowMatching that writes down when it was asked."""

    seen: list = field(default_factory=list)
    inner: FlowMatching = field(default_factory=FlowMatching)
    cond_drop = 0.0

    @property
    def path(self):
        return self.inner.path

    def at(self, progress):
        self.seen.append(progress)
        return self.inner

    def __call__(self, net, batch, *, generator=None) -> Loss:
        raise AssertionError

    def field(self, net):
        return self.inner.field(net)


@pytest.mark.parametrize("joint", [False, True])
def test_progress_is_the_share_of_the_training_that_is_done(joint):
    watched = Watched()
    objective = Joint(VariationalNoise((2,), width=4), watched) if joint else watched
    feed = Feed(Arrays(torch.randn(20, 2)))
    train(MLP((2,), width=4), objective, feed, Training(steps=4, batch_size=5, device="cpu", workers=0))
    assert watched.seen == [0.0, 0.25, 0.5, 0.75]
