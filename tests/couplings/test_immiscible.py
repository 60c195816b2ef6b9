"""Assignment with rounded distances, held against the exact one."""

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import ExactOT, Immiscible
from pushforward.transport import PNorm, SquaredEuclidean


def distance(pairs):
    return (pairs.x0 - pairs.x1).flatten(1).norm(dim=1).mean().item()


@pytest.mark.parametrize("cost", [SquaredEuclidean(), PNorm(2)])
def test_in_full_precision_it_is_exact_transport(cost, gen):
    x0, x1 = torch.randn(80, 3, generator=gen), 1 + torch.randn(80, 3, generator=gen)
    mine = Immiscible(half=False, cost=cost, tolerance=1e-8)(x0, x1)
    assert mine.x0.equal(ExactOT(cost, tolerance=1e-8)(x0, x1).x0)


@pytest.mark.parametrize("event", [(2,), (3, 16, 16)])
def test_rounding_costs_no_more_than_it_rounds(event, gen):
    x0, x1 = torch.randn(64, *event, generator=gen), torch.randn(64, *event, generator=gen).sign()
    best = distance(ExactOT(PNorm(2), tolerance=1e-8)(x0, x1))
    mine = distance(Immiscible(tolerance=1e-8)(x0, x1))
    # states and distance each keep 11 bits: every distance is off by its 2^-11, and by the states' roundings, of norm
    # at most 2^-11 (|x0| + |x1|); twice, for the chosen and for the best permutation
    size = x0.flatten(1).norm(dim=1).max() + x1.flatten(1).norm(dim=1).max()
    assert best - 1e-4 <= mine <= best + 2 * 2**-11 * (mine + size.item())


def test_the_scale_does_not_matter(gen):
    x0, x1 = torch.randn(64, 2, generator=gen), torch.randn(64, 2, generator=gen)
    # powers of two leave every rounding as it was
    first, second = (Immiscible(scale=scale)(x0, x1) for scale in (0.125, 0.5))
    assert first.x0.equal(second.x0)


def test_what_does_not_fit_is_refused():
    far = torch.tensor([[0.0], [1e6]])
    with pytest.raises(InvalidInput, match=r"not finite.*lower `scale`"):
        Immiscible()(far, -far)
    assert Immiscible(scale=1e-4)(far, -far).x0.shape == (2, 1)
    assert Immiscible(half=False)(far, -far).x0.shape == (2, 1)
    with pytest.raises(InvalidInput, match="scale is 0"):
        Immiscible(scale=0.0)


def test_a_cost_need_not_know_half_precision(gen):
    x0, x1 = torch.randn(30, 2, generator=gen), torch.randn(30, 2, generator=gen)
    assert Immiscible(cost=torch.cdist)(x0, x1).x0.equal(Immiscible()(x0, x1).x0)
