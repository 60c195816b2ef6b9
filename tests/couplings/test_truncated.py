"""Pairs without the longest."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.couplings import Independent, Paired, PartialOT, Truncated
from pushforward.objectives import FlowMatching


def batch(gen, rows=64):
    return torch.randn(rows, 2, generator=gen), 1 + torch.randn(rows, 2, generator=gen)


def test_what_is_left_out_is_as_if_it_were_not_there(gen):
    """The loss is the mean over the pairs that stay, whatever the others are."""
    x0, x1 = batch(gen)
    pairs = Truncated(longest=2.0)(x0, x1)
    kept = (x0 - x1).square().mean(1) < 2.0
    assert 10 < kept.sum() < 54
    assert torch.equal(pairs.weight > 0, kept)

    class Fixed:
        """Every row at one time, so that fewer rows draw the same."""

        def quantile(self, q):
            return torch.full_like(q, 0.3)

        def density(self, t):
            raise AssertionError

    loss = FlowMatching(times=Fixed())
    net = lambda x, t, cond=None: x.sin()
    torch.testing.assert_close(loss(net, pairs).value, loss(net, Pairs((x0[kept], x1[kept]))).value)


def test_without_a_limit_nothing_changes(gen):
    x0, x1 = batch(gen)
    plain = Independent()(x0, x1, generator=torch.Generator().manual_seed(1))
    pairs = Truncated(Independent(), math.inf)(x0, x1, generator=torch.Generator().manual_seed(1))
    assert torch.equal(pairs.x0, plain.x0)
    assert torch.equal(pairs.weight, torch.ones(64))


def test_the_limit_itself_is_too_long():
    """delta is not reached: 1/d |x0 - x1|^2 < delta."""
    pairs = Truncated(longest=2.0)(torch.zeros(2, 2), torch.tensor([[2.0, 0.0], [1.9, 0.0]]))
    assert pairs.weight.tolist() == [0.0, 2.0]


def test_weights_of_the_coupling_count(gen):
    x0, x1 = batch(gen)
    inner, pairs = PartialOT(0.5)(x0, x1), Truncated(PartialOT(0.5), 0.1)(x0, x1)
    assert torch.equal(pairs.x0, inner.x0)
    length = (pairs.x0 - x1).square().mean(1)
    assert torch.equal(pairs.weight > 0, (inner.weight > 0) & (length < 0.1))
    assert 0 < (pairs.weight > 0).sum() < 32


def test_a_batch_of_long_pairs_counts_for_nothing():
    pairs = Truncated(longest=1.0)(torch.zeros(3, 2), torch.full((3, 2), 5.0))
    assert torch.equal(pairs.weight, torch.zeros(3))


def test_whole_numbers_have_lengths_too():
    pairs = Truncated(longest=1.0)(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[1, 3], [9, 4]]))
    assert pairs.weight.tolist() == [2.0, 0.0]


def test_refusals():
    with pytest.raises(InvalidInput, match="longest is 0"):
        Truncated(longest=0.0)
    with pytest.raises(InvalidInput, match="longest is nan"):
        Truncated(longest=math.nan)
    with pytest.raises(Incompatible, match="write Paired"):
        Truncated(Paired)
    with pytest.raises(InvalidInput, match=r"\[3, 2\] and x1 \[3, 1\]"):
        Truncated()(torch.zeros(3, 2), torch.zeros(3, 1))
