"""A trained flow knows the density of what it learned."""

import pytest
import torch

from pushforward.core import generator_from
from pushforward.data import GaussianMoons, Stream
from pushforward.inference import log_prob
from pushforward.nets import ResidualMLP
from pushforward.objectives import FlowMatching
from pushforward.solvers import Heun
from pushforward.training import Feed, Training, train


@pytest.mark.story
def test_held_out_moons_are_a_tenth_of_a_nat_from_their_density():
    """The mean of log p - log p_model over fresh rows is a divergence: above zero, and 0.1 at most."""
    law, objective = GaussianMoons(), FlowMatching()
    torch.manual_seed(0)
    net = ResidualMLP((2,), width=128, depth=2)
    train(net, objective, Feed(Stream(law)), Training(1200, 256, 2e-3, ema=0.99, device="cpu", workers=0), seed=0)
    x = law.sample(1000, generator=generator_from(0, "held out"))
    with torch.no_grad():
        learned = log_prob(objective.field(net), x, solver=Heun(), times=torch.linspace(0, 1, 21))
    gap = (law.log_prob(x) - learned).mean()
    assert 0 < gap < 0.1
