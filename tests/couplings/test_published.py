"""Mean pair costs on the mixture GMM-A of the method sheets exact_oracle and minibatch_ot_cfm, N(0, I) as source."""

import math

import pytest
import torch

from pushforward.couplings import EntropicOT, ExactOT, Independent


def mixture(rows, gen):
    first = torch.rand(rows, 1, generator=gen) < 0.3
    noise = torch.randn(rows, 2, generator=gen)
    factor = torch.linalg.cholesky(torch.tensor([[0.5, 0.2], [0.2, 0.3]]))
    return torch.where(first, torch.tensor([-2.0, 1.0]) + noise @ factor.T, torch.tensor([2.0, -0.5]) + 0.5 * noise)


CASES = [
    (Independent(), 256, 100, 7.065),
    (ExactOT(), 8, 1000, 3.73),
    (ExactOT(), 64, 200, 2.64),
    (ExactOT(), 256, 50, 2.48),
    (EntropicOT(0.5, relative=False), 256, 20, 2.85),
    (EntropicOT(2.0, relative=False), 256, 20, 3.64),
    # not in the sheet: the permutation that stands for the same plan costs what draws from the plan cost
    (EntropicOT(0.5, relative=False, replacement=False), 256, 20, 2.85),
]


@pytest.mark.parametrize(("coupling", "rows", "batches", "published"), CASES)
def test_mean_pair_cost(coupling, rows, batches, published, gen):
    values = torch.stack(
        [
            (pairs.x0 - pairs.x1).square().sum(1).mean()
            for pairs in (
                coupling(torch.randn(rows, 2, generator=gen), mixture(rows, gen), generator=gen) for _ in range(batches)
            )
        ]
    )
    spread = values.std().item()
    # the sheet tells neither its batches nor its error; at least 20 batches are assumed, except where it is exact
    theirs = 0.0 if isinstance(coupling, Independent) else spread / math.sqrt(20)
    assert abs(values.mean().item() - published) < 3 * math.hypot(spread / math.sqrt(batches), theirs)
