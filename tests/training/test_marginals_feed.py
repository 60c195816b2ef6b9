import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.couplings import Chain, ExactOT, Paired
from pushforward.data import Arrays, Checkerboard, Gaussian, Rings, Standardise, Stream
from pushforward.training import MarginalsFeed, PairSource

rows = torch.arange(20.0).reshape(10, 2)
TOYS = MarginalsFeed((Stream(Gaussian()), Stream(Rings()), Stream(Checkerboard())))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.anchors, b.anchors, strict=True))


@pytest.mark.parametrize(
    "feed",
    [TOYS, MarginalsFeed((None, Arrays(rows), Stream(Rings())), Chain(ExactOT()))],
    ids=["streams", "noise, rows, stream"],
)
def test_pairs_are_a_function_of_seed_and_step(feed):
    assert isinstance(feed, PairSource)
    first = feed.pairs(7, 4, seed=1)
    feed.pairs(3, 4, seed=1)
    assert len(first.anchors) == 3
    assert same(first, feed.pairs(7, 4, seed=1))
    assert not same(first, feed.pairs(8, 4, seed=1))
    assert not same(first, feed.pairs(7, 4, seed=2))


def test_marginals_of_one_law_are_independent():
    """1000 rows of the same stream, thrice, in the order they are drawn in: correlations have sd 0.03."""

    def in_order(x0, x1, cond=None, *, generator=None):
        return Pairs((x0, x1), cond=cond)

    feed = MarginalsFeed((Stream(Gaussian(dim=1)),) * 3, Chain(in_order))
    a, b, c = feed.pairs(0, 1000, seed=0).anchors
    correlations = torch.cat([a, b, c], 1).T.corrcoef() - torch.eye(3)
    assert correlations.abs().max() < 0.15


def test_partners_stay_together_under_paired():
    feed = MarginalsFeed((Arrays(rows), Arrays(rows + 100), Arrays(rows + 300)), Chain(Paired()))
    a, b, c = feed.pairs(2, 10, seed=0).anchors
    torch.testing.assert_close(b - a, torch.full((10, 2), 100.0))
    torch.testing.assert_close(c - b, torch.full((10, 2), 200.0))


def test_data_are_brought_to_model_units_and_noise_is_not():
    transform = Standardise(torch.tensor([100.0, 0.0]), torch.tensor([1.0, 10.0]))
    label = torch.arange(10)
    noise, mid, last = (
        pairs := MarginalsFeed((None, Arrays(rows), Arrays(rows, label)), transform=transform).pairs(0, 10, seed=0)
    ).anchors
    expected = (rows - torch.tensor([100.0, 0.0])) / torch.tensor([1.0, 10.0])
    for end in (mid, last):
        torch.testing.assert_close(end[end[:, 1].argsort()], expected)
    torch.testing.assert_close(last, expected[pairs.cond])  # the condition is that of the last
    assert noise.abs().max() < 5


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInput, match="the last is data"):
        MarginalsFeed((Arrays(rows), None))
    with pytest.raises(InvalidInput, match="got 1 marginals"):
        MarginalsFeed((Arrays(rows),))
    with pytest.raises(Incompatible, match=r"they have \[10, 'endless'\] rows"):
        MarginalsFeed((Arrays(rows), Stream(Rings())), Chain(Paired()))
