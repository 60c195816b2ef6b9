"""Symbols: how they jump, and their noise."""

import math

import pytest
import torch

from pushforward.core import InvalidInput, Smooth, Space, categorical
from pushforward.spaces import Tokens

UNIFORM, MASKED = Tokens(3), Tokens(3, mask=True)
each = pytest.mark.parametrize("space", [UNIFORM, MASKED], ids=str)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def rates(space, x, seed=1):
    u = torch.rand(*x.shape, space.size, generator=gen(seed), dtype=torch.float64)
    return u.scatter(-1, x[..., None], 0.0)


@each
@pytest.mark.parametrize("event", [(), (4,), (2, 3)], ids=str)
def test_noise_is_symbols_and_moving_for_no_time_stays(space, event):
    assert isinstance(space, Space)
    assert not isinstance(space, Smooth)
    like = torch.zeros(8, *event)
    x = space.noise(like, generator=gen())
    assert x.dtype == torch.int64
    assert x.shape == like.shape
    assert torch.equal(x, space.noise(like, generator=gen()))
    assert 0 <= x.min() <= x.max() < space.size
    assert torch.equal(space.move(x, rates(space, x), torch.zeros(8)), x)


def test_noise_has_its_law():
    x = UNIFORM.noise(torch.zeros(5, 2))
    torch.testing.assert_close(UNIFORM.noise_log_prob(x), torch.full((5,), -2 * math.log(3)))
    assert UNIFORM.noise_probs(torch.ones(1)).tolist() == [pytest.approx(1 / 3)] * 3
    assert MASKED.noise_probs(torch.ones(1)).tolist() == [0, 0, 0, 1]
    masks = torch.tensor([[3, 3], [3, 0]])
    assert MASKED.noise_log_prob(masks).tolist() == [0, -math.inf]


@each
def test_constant_rates_to_one_symbol_follow_the_exponential_law(space):
    """d p(stay) / dt = - rate: after t, exp(-rate t), whatever the number of steps."""
    x = torch.zeros(1, 1, dtype=torch.int64)
    u = torch.zeros(1, 1, space.size).index_fill(-1, torch.tensor([2]), 1.7)
    probs = space.chances(x, u, torch.tensor([0.6]))[0, 0]
    assert probs[0].item() == pytest.approx(math.exp(-1.7 * 0.6), rel=1e-6)
    assert probs[2].item() == pytest.approx(-math.expm1(-1.7 * 0.6), rel=1e-6)


@each
def test_small_steps_follow_the_kolmogorov_equation(space):
    """The chain of constant rates Q: P(h) = exp(h Q) + O(h^2)."""
    x = torch.arange(space.size)[:, None]
    u = rates(space, x)
    Q = u[:, 0] - torch.diag(u[:, 0].sum(-1))
    error = [
        (space.chances(x, u, torch.full((len(x),), h))[:, 0] - torch.matrix_exp(h * Q)).abs().max().item()
        for h in (2e-3, 1e-3)
    ]
    assert error[0] / error[1] == pytest.approx(4, rel=0.02)


@each
def test_chances_are_probabilities_and_draws_have_them(space):
    x = torch.arange(space.size).repeat(20_000)[:, None]
    u, h = rates(space, x[: space.size]).repeat(20_000, 1, 1), torch.full((len(x),), 0.8)
    probs = space.chances(x, u, h)
    torch.testing.assert_close(probs.sum(-1), torch.ones(len(x), 1, dtype=torch.float64))
    y = space.move(x, u, h, generator=gen(2))
    for k in range(space.size):
        seen = torch.bincount(y[x == k], minlength=space.size) / 20_000
        floor = (probs[k, 0] * (1 - probs[k, 0]) / 20_000).sqrt()
        assert ((seen - probs[k, 0]).abs() <= 4 * floor + 1e-12).all()


@each
def test_backwards_the_rates_below_zero_count(space):
    x = torch.arange(space.size)[:, None]
    u, h = rates(space, x), torch.full((space.size,), 0.3)
    assert torch.equal(space.chances(x, -u, -h), space.chances(x, u, h))
    assert torch.equal(space.move(x, -u, h), x)


def test_mappings_move_leaf_by_leaf():
    x = {"a": torch.zeros(2, 3, dtype=torch.int64), "b": torch.ones(2, dtype=torch.int64)}
    u = {name: 1e9 * torch.eye(3)[2].expand(*leaf.shape, 3) for name, leaf in x.items()}
    moved = UNIFORM.move(x, u, torch.ones(2))
    assert all((leaf == 2).all() for leaf in moved.values())
    assert UNIFORM.noise_log_prob(moved).tolist() == [pytest.approx(-4 * math.log(3))] * 2


def test_a_weight_of_zero_is_never_drawn_and_small_ones_are_as_often_as_they_should():
    weights = torch.tensor([0.0, 1.0, 0.0, 1e-3, 0.0]).expand(200_000, 5)
    counts = torch.bincount(categorical(weights, generator=gen()), minlength=5)
    assert counts[[0, 2, 4]].sum() == 0
    assert abs(counts[3] - 200) < 4 * 200**0.5


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InvalidInput, match="at least two symbols"):
        Tokens(1)
    x = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(InvalidInput, match=r"motion has shape \[2, 3, 3\], expected rates \[2, 3, 4\]"):
        MASKED.move(x, torch.zeros(2, 3, 3), torch.ones(2))
