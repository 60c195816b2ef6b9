import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.transport import stable_matching


def proposals(cost):
    """Gale and Shapley's algorithm, rows propose."""
    n = len(cost)
    order, asked, holder, free = cost.argsort(1).tolist(), [0] * n, [None] * n, list(range(n))
    while free:
        i = free.pop()
        j = order[i][asked[i]]
        asked[i] += 1
        if holder[j] is None:
            holder[j] = i
        elif cost[i, j] < cost[holder[j], j]:
            free.append(holder[j])
            holder[j] = i
        else:
            free.append(i)
    matched = [0] * n
    for j, i in enumerate(holder):
        matched[i] = j
    return matched


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_equals_proposals_and_refusals(n, gen):
    cost = torch.rand(n, n, generator=gen)
    assert stable_matching(cost).tolist() == proposals(cost)


@pytest.mark.parametrize("kind", ["plane", "ties", "constant", "chain"])
def test_nobody_would_rather_leave(kind, gen):
    n = 40
    line = 1.1 ** torch.arange(2.0 * n)  # ever wider gaps: one pair a round
    cost = {
        "plane": torch.cdist(torch.randn(n, 2, generator=gen), torch.randn(n, 2, generator=gen)),
        "ties": torch.randint(4, (n, n), generator=gen).float(),
        "constant": torch.zeros(n, n),
        "chain": (line[::2, None] - line[1::2]).abs(),
    }[kind]
    before = cost.clone()
    matched = stable_matching(cost)
    assert cost.equal(before)
    assert matched.sort().values.equal(torch.arange(n))
    own = cost[torch.arange(n), matched]
    partner = torch.empty_like(own)
    partner[matched] = own
    assert not ((cost < own[:, None]) & (cost < partner)).any()


def test_refuses_what_is_no_cost():
    with pytest.raises(InvalidInput, match="square"):
        stable_matching(torch.zeros(2, 3))
    with pytest.raises(InvalidInput, match="not finite"):
        stable_matching(torch.full((2, 2), torch.nan))
