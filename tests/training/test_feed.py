import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.couplings import ExactOT, Independent, Paired
from pushforward.data import Arrays, Compose, Dequantise, EightGaussians, Standardise, Stream
from pushforward.training import Feed, PairSource

rows = torch.arange(20.0).reshape(10, 2)


def equal(a, b):
    return torch.equal(a.x0, b.x0) and torch.equal(a.x1, b.x1)


class Normal:
    def sample(self, n, *, generator=None):
        return torch.randn(n, 2, generator=generator)


@pytest.mark.parametrize("feed", [Feed(Arrays(rows)), Feed(Stream(Normal())), Feed(Arrays(rows), source=Arrays(rows))])
def test_pairs_are_a_function_of_seed_and_step(feed):
    assert isinstance(feed, PairSource)
    first = feed.pairs(7, 4, seed=1)
    for step in (0, 3, 9):  # other steps in between change nothing
        feed.pairs(step, 4, seed=1)
    assert equal(first, feed.pairs(7, 4, seed=1))
    assert not equal(first, feed.pairs(8, 4, seed=1))
    assert not equal(first, feed.pairs(7, 4, seed=2))


def test_both_ends_of_a_source_are_transformed_and_noise_is_not():
    transform = Standardise(torch.tensor([100.0, 0.0]), torch.tensor([1.0, 10.0]))
    pairs = Feed(Arrays(rows), source=Arrays(rows), transform=transform).pairs(0, 10, seed=0)
    expected = (rows - torch.tensor([100.0, 0.0])) / torch.tensor([1.0, 10.0])
    for end in (pairs.x0, pairs.x1):
        torch.testing.assert_close(end[end[:, 1].argsort()], expected)
    noise = Feed(Arrays(rows), transform=transform).pairs(0, 1000, seed=0).x0
    assert noise.mean(0).abs().max() < 5 / 1000**0.5  # five standard errors


def test_a_transform_with_noise_draws_anew_every_step_and_for_each_end():
    dots = Arrays(torch.zeros(10, 2, dtype=torch.uint8))
    feed = Feed(dots, source=dots, transform=Compose([Dequantise(4)]))
    a, b = feed.pairs(0, 10, seed=0), feed.pairs(1, 10, seed=0)
    assert not torch.equal(a.x1, b.x1)
    assert not torch.equal(a.x0, a.x1)
    assert equal(a, feed.pairs(0, 10, seed=0))


def test_rows_stay_together_only_under_paired():
    source, train = Arrays(rows), Arrays(rows + 100)
    kept = Feed(train, source=source, coupling=Paired()).pairs(2, 10, seed=0)
    torch.testing.assert_close(kept.x1 - kept.x0, torch.full((10, 2), 100.0))

    def in_order(x0, x1, cond=None, *, generator=None):
        return Pairs((x0, x1), cond=cond)

    for coupling in (in_order, Independent()):
        free = Feed(train, source=source, coupling=coupling).pairs(2, 10, seed=0)
        assert not torch.equal(free.x1 - free.x0, torch.full((10, 2), 100.0))


@pytest.mark.parametrize(
    ("source", "train"),
    [(Arrays(rows[:7]), Arrays(rows)), (Stream(Normal()), Arrays(rows)), (Stream(Normal()), Stream(Normal()))],
)
def test_paired_is_refused_where_rows_have_no_partners(source, train):
    with pytest.raises(Incompatible, match="Paired keeps row i"):
        Feed(train, source=source, coupling=Paired())
    Feed(train, coupling=Paired())  # noise has no rows of its own


def test_paired_is_refused_over_held_out_rows():
    feed = Feed(Arrays(rows), source=Arrays(rows), coupling=Paired())
    with pytest.raises(Incompatible, match="no partners"):
        feed.held_out(Arrays(-rows))


def test_labels_travel_with_their_rows():
    pairs = Feed(Arrays(rows, torch.arange(10))).pairs(3, 6, seed=0)
    assert torch.equal(pairs.x1, rows[pairs.cond])


def test_states_may_be_mappings():
    pairs = Feed(Arrays({"a": rows, "b": rows[:, :1]})).pairs(0, 3, seed=0)
    assert pairs.x0["a"].shape == (3, 2)
    assert pairs.x1["b"].shape == (3, 1)


def test_the_coupling_gets_a_generator_and_no_gradient():
    class Random:
        def __call__(self, x0, x1, cond=None, *, generator=None):
            assert not torch.is_grad_enabled()
            return Pairs((x0[torch.randperm(len(x0), generator=generator)], x1), cond=cond)

    feed = Feed(Arrays(rows), coupling=Random())
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = feed.pairs(0, 10, seed=0)
    torch.manual_seed(1)
    assert equal(first, feed.pairs(0, 10, seed=0))
    torch.manual_seed(0)
    feed.pairs(0, 10, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_held_out_keeps_all_but_the_rows():
    feed = Feed(Arrays(rows), source=Arrays(rows), coupling=ExactOT())
    other = feed.held_out(Arrays(-rows))
    assert (other.coupling, other.source, other.transform) == (feed.coupling, feed.source, feed.transform)
    assert (other.pairs(0, 4, seed=0).x1 <= 0).all()


def test_batches_that_are_coupled_together_travel_less_far():
    def feed(span):
        return Feed(Stream(EightGaussians(), steps=8), coupling=ExactOT(), source=Stream(Normal(), steps=8), span=span)

    def all_of(span):
        return [feed(span).pairs(step, 16, seed=0) for step in (5, 0, 7, 1, 2, 3, 4, 6)]  # in any order

    def length(pairs):
        return float(torch.cat([p.x1 - p.x0 for p in pairs]).square().sum(1).mean())

    alone, together = all_of(1), all_of(8)
    assert length(together) < length(alone)
    ends = [torch.cat([p.x1 for p in pairs]) for pairs in (alone, together)]
    assert all(len(end.unique(dim=0)) == 128 for end in ends)  # every row is used once
    kept = feed(8)
    again = [kept.pairs(step, 16, seed=0) for step in (5, 0, 7, 1, 2, 3, 4, 6)]
    assert all(equal(a, b) for a, b in zip(together, again, strict=True))
    # one plan over all the rows is what an eight times larger batch would have got
    whole = feed(1).pairs(0, 128, seed=0)
    ordered = [kept.pairs(step, 16, seed=0) for step in range(8)]
    assert torch.equal(torch.cat([p.x0 for p in ordered]), whole.x0)
    with pytest.raises(InvalidInput, match="span is 0"):
        feed(0)
