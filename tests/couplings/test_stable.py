import torch

from pushforward.couplings import ExactOT, Independent, StableMatching


def cost(pairs):
    return (pairs.x0 - pairs.x1).square().sum(1).mean()


def test_between_overlapping_clouds_it_costs_less_than_chance_and_more_than_the_optimum(gen):
    x0, x1 = torch.randn(128, 2, generator=gen), torch.randn(128, 2, generator=gen)
    found = [cost(c(x0, x1, generator=gen)) for c in (ExactOT(), StableMatching(), Independent())]
    assert found[0] < found[1] < 0.5 * found[2]


def test_only_the_order_of_the_costs_counts(gen):
    x0, x1 = torch.randn(50, 2, generator=gen).double(), torch.randn(50, 2, generator=gen).double()
    assert StableMatching()(x0, x1).x0.equal(StableMatching(lambda x, y: torch.cdist(x, y).sqrt())(x0, x1).x0)
