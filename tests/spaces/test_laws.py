"""Laws that every space keeps."""

import pytest
import torch

from pushforward.core import Smooth, Space, leaves, map_state
from pushforward.spaces import Euclidean, StudentT

SPACES = [(Euclidean(), (3,)), (Euclidean(), (2, 4, 4)), (Euclidean(StudentT(3.0)), (3,))]
each = pytest.mark.parametrize(("space", "event"), SPACES, ids=str)


def draw(space, event, seed, b=8):
    return space.noise(torch.empty(b, *event, dtype=torch.float64), generator=torch.Generator().manual_seed(seed))


@each
def test_space_is_smooth_and_its_noise_reproducible(space, event):
    assert isinstance(space, Space)
    assert isinstance(space, Smooth)
    assert torch.equal(draw(space, event, 0), draw(space, event, 0))


@each
def test_exp_undoes_log_and_moving_for_no_time_stays(space, event):
    x, y = draw(space, event, 0), draw(space, event, 1)
    torch.testing.assert_close(space.exp(x, space.log(x, y)), y)
    torch.testing.assert_close(space.move(x, space.log(x, y), torch.ones(8, dtype=torch.float64)), y)
    assert torch.equal(space.move(x, space.log(x, y), torch.zeros(8, dtype=torch.float64)), x)


@each
def test_projection_is_idempotent_and_the_inner_product_is_bilinear(space, event):
    x, u, v = (draw(space, event, k) for k in range(3))
    torch.testing.assert_close(space.tangent(x, space.tangent(x, u)), space.tangent(x, u))
    torch.testing.assert_close(space.inner(x, u + 2 * v, v), space.inner(x, u, v) + 2 * space.inner(x, v, v))
    assert (space.inner(x, u, u) > 0).all()


def test_flat_noise_has_its_density():
    x = {"a": draw(Euclidean(), (3,), 0), "b": draw(Euclidean(), (2,), 1)}
    exact = sum(torch.distributions.Normal(0.0, 1.0).log_prob(leaf).sum(1) for leaf in leaves(x))
    torch.testing.assert_close(Euclidean().noise_log_prob(x), exact)
    moved = Euclidean().move(x, map_state(torch.ones_like, x), torch.full((8,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(moved["a"], x["a"] + 0.5)
