"""Leaves that count as told, whatever their sizes."""

import pytest
import torch

from pushforward.core import InvalidInput, Pairs
from pushforward.fields import Dirac, Shared, Velocity
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine

SIZES = {"data": (3, 2), "label": ()}


def draw(gen):
    return {name: torch.randn(8, *event, generator=gen, dtype=torch.float64) for name, event in SIZES.items()}


def test_shares_that_are_proportional_to_the_sizes_are_the_mean_over_all_coordinates():
    gen = torch.Generator().manual_seed(0)
    mean, target = draw(gen), draw(gen)
    torch.testing.assert_close(
        Shared(mean, {"data": 6 / 7, "label": 1 / 7}).loss(target), Dirac(mean).loss(target), rtol=1e-12, atol=0
    )
    one = Shared(mean, {"data": 1.0, "label": 0.0}).loss(target)
    torch.testing.assert_close(one, Dirac(mean["data"]).loss(target["data"]))


def test_the_velocity_is_the_same_whatever_its_shares():
    gen = torch.Generator().manual_seed(0)
    head, plain, path = Velocity({"data": 0.9, "label": 0.1}), Velocity(), Affine()
    point = path.sample(Pairs((draw(gen), draw(gen))), torch.rand(8, generator=gen, dtype=torch.float64))
    target = head.target(path, point)
    law, other = head.law(target, point.x, point.t), plain.law(target, point.x, point.t)
    assert law.loss(target).equal(torch.zeros(8))
    for name, leaf in head.velocity(path, law, point.x, point.t).items():
        assert leaf.equal(plain.velocity(path, other, point.x, point.t)[name])


def test_gradients_are_the_shares_of_the_means():
    objective = FlowMatching(head=Velocity({"data": 0.25, "label": 2.0}))
    offset = {name: torch.zeros((), dtype=torch.float64, requires_grad=True) for name in SIZES}
    still = {name: torch.zeros(8, *event, dtype=torch.float64) for name, event in SIZES.items()}
    net = lambda x, t, cond: {name: leaf * 0 + offset[name] - 1 for name, leaf in x.items()}
    objective(net, Pairs((still, still))).value.backward()
    # of share (offset - 1)^2 at 0
    assert offset["data"].grad == -0.5
    assert offset["label"].grad == -4.0


def test_other_leaves_are_refused():
    gen = torch.Generator().manual_seed(0)
    with pytest.raises(InvalidInput, match=r"shares for \['data'\]; give every leaf"):
        Shared(draw(gen), {"data": 1.0}).loss(draw(gen))
    with pytest.raises(InvalidInput, match=r"the network gave \[8\] for targets \[8\]"):
        Shared(torch.zeros(8), {"data": 1.0}).loss(torch.zeros(8))
    wrong = draw(gen) | {"label": torch.zeros(8, 1)}
    with pytest.raises(InvalidInput, match=r"shape \[8, 1\] for targets of shape \[8\]"):
        Shared(wrong, {"data": 1.0, "label": 1.0}).loss(draw(gen))
