import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.couplings import ExactOT
from pushforward.transport import auction, squared_euclidean


def mean_cost(pairs):
    return (pairs.x0 - pairs.x1).square().sum(1).mean().item()


def costs(coupling, rows, batches, laws, gen):
    """Mean pair cost over batches, and its standard error."""
    source, target = laws
    values = [mean_cost(coupling(source(rows, gen), target(rows, gen), generator=gen)) for _ in range(batches)]
    values = torch.tensor(values, dtype=torch.float64)
    return values.mean().item(), values.std().item() / math.sqrt(batches)


def normal(factor, shift=(0.0, 0.0)):
    return lambda rows, gen: torch.randn(rows, 2, generator=gen) @ factor.T + torch.tensor(shift)


def test_on_a_line_ranks_meet(gen):
    x0, x1 = torch.randn(200, 1, generator=gen), torch.randn(200, 1, generator=gen).exp()
    pairs = ExactOT(tolerance=1e-8)(x0, x1)
    assert pairs.x0[pairs.x1[:, 0].argsort()].equal(x0.sort(0).values)


def test_gaussians_approach_the_bures_distance(gen):
    first, second = torch.tensor([[1.0, 0.3], [0.3, 0.5]]), torch.tensor([[2.0, -0.4], [-0.4, 1.0]])
    exact = 0.5014382285  # closed form of the method sheets; independent pairs cost tr(first + second) = 4.5
    laws = normal(torch.linalg.cholesky(first)), normal(torch.linalg.cholesky(second))
    by_size = {rows: costs(ExactOT(), rows, count, laws, gen) for rows, count in ((8, 400), (64, 80), (512, 8))}
    # averaged batch plans are a coupling of the laws themselves, so no batch size costs less than the distance
    assert all(mean > exact - 4 * error for mean, error in by_size.values())
    assert by_size[8][0] > by_size[64][0] > by_size[512][0]
    # triangle inequality over the two empirical laws; their own distances are at most those of two independent batches
    floors = [costs(ExactOT(), 512, 8, (law, law), gen)[0] for law in laws]
    assert math.sqrt(by_size[512][0]) < math.sqrt(exact) + sum(math.sqrt(floor) for floor in floors)


def test_published_batch_costs(gen):
    # method sheet exact_ot, check 4: N(0, I) to N((1, 0), diag(4, 1/4)), with the errors given there
    laws = normal(torch.eye(2)), normal(torch.diag(torch.tensor([2.0, 0.5])), (1.0, 0.0))
    for rows, published, their_error in ((8, 3.70, 0.14), (32, 2.96, 0.15), (128, 2.60, 0.13)):
        mean, error = costs(ExactOT(), rows, 2000 // rows, laws, gen)
        assert abs(mean - published) < 4 * math.hypot(error, their_error)


def test_the_marginal_of_the_source_is_kept(gen):
    x0, x1 = torch.randn(256, 2, generator=gen), 5 + torch.randn(256, 2, generator=gen)
    pairs = ExactOT()(x0, x1)
    assert pairs.x0.sort(0).values.equal(x0.sort(0).values)
    assert not pairs.x0.equal(x0)


def test_permuting_both_sides_permutes_the_pairs(gen):
    x0, x1 = torch.randn(64, 2, generator=gen), 3 * torch.randn(64, 2, generator=gen) + 1
    first, second = torch.randperm(64, generator=gen), torch.randperm(64, generator=gen)
    couple = ExactOT(tolerance=1e-8)
    plain, moved = couple(x0, x1), couple(x0[first], x1[second])
    assert moved.x1.equal(plain.x1[second])
    assert moved.x0.equal(plain.x0[second])


def test_early_stopping_costs_what_it_says(gen):
    x0, x1 = torch.randn(256, 2, generator=gen), 3 * torch.randn(256, 2, generator=gen)
    gap = auction(squared_euclidean(x1, x0), tolerance=1e-2).gap
    best, early = mean_cost(ExactOT(tolerance=1e-8)(x0, x1)), mean_cost(ExactOT(tolerance=1e-2)(x0, x1))
    assert best - 1e-5 <= early <= best + gap + 1e-5
    assert gap < 0.02 * best


def test_refuses_a_tolerance_out_of_range():
    with pytest.raises(InvalidInput, match="tolerance is 2"):
        ExactOT(tolerance=2.0)
