"""Chains of couplings: each link is what it is alone, and what belongs together stays so."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, map_state
from pushforward.couplings import Chain, EntropicOT, ExactOT, Independent, Paired, WeightedCFM


def batches(gen, k=4, rows=50):
    return [torch.randn(rows, 2, generator=gen) + j for j in range(k)]


def again(seed=5):
    return torch.Generator().manual_seed(seed)


def order(x, y):
    """For every row of x the row of y that it equals."""
    same = (x[:, None] == y[None]).all(-1)
    assert same.any(1).all()
    return same.double().argmax(1)


@pytest.mark.parametrize("link", [Independent(), Paired(), ExactOT()], ids=repr)
def test_all_marginals_are_kept_and_the_last_stays(link, gen):
    marginals, label = batches(gen), torch.arange(50)
    pairs = Chain(link)(marginals, label, generator=again())
    assert isinstance(pairs, Pairs)
    assert pairs.times == (0.0, 1 / 3, 2 / 3, 1.0)
    assert pairs.x1 is marginals[-1]
    assert pairs.cond is label
    for found, given in zip(pairs.anchors, marginals, strict=True):
        assert order(found, given).sort().values.equal(torch.arange(50))


def test_every_link_is_the_least_cost(gen):
    """Consecutive marginals are matched as they are alone, whatever order the later one has by then."""
    marginals = batches(gen)
    pairs = Chain(ExactOT(tolerance=1e-8))(marginals)
    cost = lambda x, y: (x - y).square().sum()
    for k in range(3):
        alone = ExactOT(tolerance=1e-8)(marginals[k], marginals[k + 1])
        torch.testing.assert_close(cost(pairs.anchors[k], pairs.anchors[k + 1]), cost(*alone.anchors))
        assert order(pairs.anchors[k], marginals[k])[order(marginals[k + 1], pairs.anchors[k + 1])].equal(
            order(alone.x0, marginals[k])
        )


def test_independent_marginals_are_all_shuffled_and_paired_ones_stay(gen):
    marginals = [torch.arange(1000.0)[:, None]] * 3
    free = torch.cat(Chain()(marginals, generator=again()).anchors, 1)
    # correlations of 1000 independent rows have sd 0.03
    off = free.T.corrcoef() - torch.eye(3)
    assert off.abs().max() < 0.15
    assert torch.cat(Chain(Paired())(marginals).anchors, 1).diff(dim=1).abs().max() == 0
    assert Chain()(marginals, generator=again(1)).x0.equal(Chain()(marginals, generator=again(1)).x0)


def test_mappings_travel_as_one(gen):
    marginals = batches(gen)
    both = [{"a": x[:, :1], "b": x[:, 1:]} for x in marginals]
    flat = Chain()(marginals, generator=again())
    pairs = Chain()(both, generator=again())
    for x, y in zip(flat.anchors, pairs.anchors, strict=True):
        assert torch.cat([y["a"], y["b"]], 1).equal(x)


def test_links_may_draw_with_replacement(gen):
    pairs = Chain(EntropicOT(), times=(0.0, 0.2, 0.9, 1.0))(batches(gen), generator=again())
    assert pairs.times == (0.0, 0.2, 0.9, 1.0)
    assert [x.shape for x in pairs.anchors] == [(50, 2)] * 4


def test_what_does_not_fit_is_refused(gen):
    marginals = batches(gen)

    def moves(x0, x1, cond=None, *, generator=None):
        return Pairs((x0, map_state(torch.neg, x1)), cond=cond)

    for link in (WeightedCFM(), moves):
        with pytest.raises(Incompatible, match="weighs the rows of x1 or does not leave them in place"):
            Chain(link)(marginals)
    with pytest.raises(InvalidInput, match="at least 2"):
        Chain()(marginals[:1])
    with pytest.raises(InvalidInput, match="4 marginals, but they are seen at 3 times"):
        Chain(times=(0.0, 0.5, 1.0))(marginals)
    with pytest.raises(InvalidInput, match="same number of rows"):
        Chain()([marginals[0][:3], *marginals[1:]])
