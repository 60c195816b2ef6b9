"""Conditions and sources on curved spaces: they stay with their rows through feed, coupling, objective and guidance."""

import pytest
import torch
from torch import nn

from pushforward.core import Pairs
from pushforward.couplings import ConditionalOT, ExactOT, Independent
from pushforward.data import Arrays
from pushforward.guidance import ClassifierFree
from pushforward.objectives import FlowMatching, Uniform
from pushforward.paths import Geodesic
from pushforward.solvers import RK4, solve
from pushforward.spaces import SO3, Lorentz, Poincare, Sphere, Torus
from pushforward.training import Feed

F64 = torch.float64
EVENTS = {Sphere(): (3,), Torus(): (2,), Lorentz(): (3,), Poincare(): (2,), SO3(): (3, 3)}
each = pytest.mark.parametrize("space", EVENTS, ids=lambda space: type(space).__name__)


def points(space, n, seed):
    return space.noise(torch.empty(n, *EVENTS[space], dtype=F64), generator=torch.Generator().manual_seed(seed))


def seen(space, told):
    """The points behind what a network is told."""
    return torch.atan2(*told.chunk(2, -1)) if isinstance(space, Torus) else told


def said(space, x, u):
    """What a network says for the motion u: in the ball it is in units of the metric."""
    return u * 2 / (1 - x.square().sum(-1, keepdim=True)) if isinstance(space, Poincare) else u


class Towards(nn.Module):
    """Knows one target for every label, and so the motion that ends there; label -1 stands still."""

    def __init__(self, space, targets):
        super().__init__()
        self.space, self.targets = space, targets

    def forward(self, told, t, cond):
        x = seen(self.space, told)
        share = ((cond >= 0) / (1 - t)).reshape(-1, *(1,) * (x.ndim - 1))
        return said(self.space, x, share * self.space.log(x, self.targets[cond.clamp_min(0)]))


def geodesic_cost(space):
    return lambda x, y: torch.stack([space.distance(x, row.expand_as(x)).square() for row in y], 1)


@each
@pytest.mark.parametrize("make", [lambda cost: Independent(), ExactOT, lambda cost: ConditionalOT(cost=cost)])
@pytest.mark.parametrize("from_data", [False, True], ids=["noise", "data"])
def test_a_net_that_knows_the_target_of_every_label_has_no_loss(space, make, from_data):
    """The conditional motion is log_x(x1) / (1 - t) exactly; a label beside its own leads elsewhere."""
    targets = points(space, 4, 0)
    labels = torch.arange(40) % 4
    source = Arrays(points(space, 40, 1)) if from_data else None
    coupling = make(geodesic_cost(space))
    feed = Feed(Arrays(targets[labels], labels), coupling=coupling, source=source, space=space)
    pairs = feed.pairs(0, 16, seed=0)
    assert isinstance(pairs.cond, torch.Tensor)
    torch.testing.assert_close(pairs.x1, targets[pairs.cond])
    torch.testing.assert_close(space.project(pairs.x0), pairs.x0)
    objective = FlowMatching(Geodesic(space), times=Uniform(0.0, 0.9))
    loss = lambda p: float(objective(Towards(space, targets), p, generator=torch.Generator().manual_seed(2)).value)
    assert loss(pairs) < 1e-12
    assert loss(Pairs(pairs.anchors, cond=(pairs.cond + 1) % 4)) > 1e-2


@each
def test_labels_lead_to_their_targets_and_guidance_stays_on_the_space(space):
    """Followed to t = 0.99, a share 0.01 of the way is left; by twice the motion its square."""
    targets, labels = points(space, 4, 0), torch.arange(12) % 4
    field = FlowMatching(Geodesic(space)).field(Towards(space, targets))
    x0, times = points(space, 12, 3), 1 - torch.logspace(0, -2, 41, dtype=F64)
    way = space.distance(x0, targets[labels])
    for scale, left in ((1.0, 0.01), (2.0, 0.0001), (0.0, 1.0)):
        x = solve(ClassifierFree(field, scale), x0, times, solver=RK4(space), cond=labels).x
        torch.testing.assert_close(space.project(x), x)
        share = space.distance(x, targets[labels]) / way
        torch.testing.assert_close(share, torch.full_like(way, left), rtol=1e-4, atol=1e-6)
