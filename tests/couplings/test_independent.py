import torch

from pushforward.couplings import Independent, Paired


def test_independent_breaks_a_pairing_that_the_loader_brought(gen):
    x = torch.randn(4000, 1, generator=gen)
    pairs = Independent()(x, x, generator=gen)
    correlation = (pairs.x0 * pairs.x1).mean() / x.square().mean()
    assert correlation.abs() < 4 / 4000**0.5  # four standard errors of a correlation of 0


def test_every_source_reaches_every_row(gen):
    x = torch.arange(3.0)
    counts = torch.zeros(3, 3)
    draws = 3000
    for _ in range(draws):
        counts[Independent()(x, x, generator=gen).x0.long(), torch.arange(3)] += 1
    # four standard errors of a binomial frequency of 1/3
    assert (counts / draws - 1 / 3).abs().max() < 4 * (2 / 9 / draws) ** 0.5


def test_paired_keeps_what_is_given(gen):
    x0, x1 = torch.randn(5, 2, generator=gen), torch.randn(5, 3, generator=gen)
    pairs = Paired()(x0, x1)
    assert pairs.x0 is x0
    assert pairs.x1 is x1
