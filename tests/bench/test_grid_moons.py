"""The law of torchcfm's `sample_moons`, against our own moons."""

import math

import pytest
import torch

from pushforward.bench.grid_moons import GridMoons
from pushforward.data import Moons


def draw(n, seed=0):
    return GridMoons().sample(n, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [1, 2, 7, 256])
def test_half_on_each_moon_inside_the_support(n):
    x = draw(n)
    assert x.shape == (n, 2)
    # a point that lies on the edge of the support to rounding counts as inside
    nudged = x[:, None] + 1e-4 * torch.tensor([[0.0, 0.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert Moons().log_prob(nudged.flatten(0, 1)).reshape(n, -1).amax(1).isfinite().all()


def test_angles_are_a_grid():
    x = (draw(200) + 1) / 3
    shift = torch.rand(200, 1, generator=torch.Generator().manual_seed(0)) * 0.2
    upper = (x - shift)[:100]
    assert torch.atan2(upper[:, 1].abs(), upper[:, 0]).diff().std() < 1e-5
    torch.testing.assert_close(upper[0], torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)


def test_moments_are_those_of_the_law():
    n = 20_000
    x, y = draw(n), Moons().sample(n, generator=torch.Generator().manual_seed(1))
    # means of y err by its standard deviation over sqrt(n), those of x by less
    bound = 5 * y.std(0) / math.sqrt(n)
    assert ((x.mean(0) - y.mean(0)).abs() < bound).all()
    assert ((x.square().mean(0) - y.square().mean(0)).abs() < 5 * y.square().std(0) / math.sqrt(n)).all()


def test_same_generator_same_points():
    assert torch.equal(draw(10), draw(10))
    assert not torch.equal(draw(10), draw(10, seed=1))
