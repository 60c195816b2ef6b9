"""The condition as source: its law, the indicator, and the independence under the null flag."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, null_condition
from pushforward.couplings import CrossFlow
from pushforward.couplings.learned import Gaussian
from pushforward.guidance import ClassifierFree
from pushforward.paths import Affine


def stirred(**given):
    torch.manual_seed(0)
    coupling = CrossFlow((2,), width=16, **given)
    with torch.no_grad():
        coupling.head.layers[-1].weight.normal_(std=0.5)
    return coupling


def test_the_source_is_the_law_that_sampling_starts_from(gen):
    coupling = stirred(classes=4)
    noise, label = torch.randn(12, 2, generator=gen), torch.arange(12) % 4
    pairs = coupling(noise, torch.zeros(12, 2), label)
    torch.testing.assert_close(coupling.source(label).draw(noise), pairs.x0)
    assert not pairs.x0.equal(noise)
    torch.testing.assert_close(coupling.source(label).mean[:4], coupling.source(label).mean[4:8])


def test_both_penalties_agree_without_a_mean_and_the_free_one_forgives_means(gen):
    std = torch.rand(5, 2, generator=gen) + 0.2
    kl, free = (CrossFlow((2,), classes=2, width=4, free_means=free).penalty for free in (False, True))
    centred = Gaussian(torch.zeros(5, 2), std)
    torch.testing.assert_close(free(centred), kl(centred))
    away = Gaussian(torch.full((5, 2), 2.0), torch.ones(5, 2))
    torch.testing.assert_close(kl(away), torch.full((5,), 4.0))  # two coordinates, m^2 / 2 each
    torch.testing.assert_close(free(away), torch.full((5,), 0.6**6))  # (0.3 m)^6 / 2 each


@pytest.mark.parametrize("given", [{"classes": 4}, {"features": 3}])
def test_the_network_is_told_an_indicator_alone(given, gen):
    coupling = stirred(**given, cond_drop=0.5)
    cond = torch.arange(2000) % 4 if "classes" in given else torch.randn(2000, 3, generator=gen)
    pairs = coupling(torch.randn(2000, 2, generator=gen), torch.zeros(2000, 2), cond, generator=gen)
    told, null = torch.zeros_like(cond[:1]), null_condition(cond[:1])
    flagged = (pairs.cond == -1) if "classes" in given else pairs.cond.isnan().all(1)
    assert abs(flagged.double().mean() - 0.5) < 4 * math.sqrt(0.25 / 2000)
    torch.testing.assert_close(pairs.cond[flagged], null.expand_as(pairs.cond[flagged]), equal_nan=True)
    torch.testing.assert_close(pairs.cond[~flagged], told.expand_as(pairs.cond[~flagged]))
    # and when it is sampled: a condition is zeros, the null condition stays null
    seen = []
    view = coupling.field(lambda x, t, c: seen.append(c) or x, Affine())
    view(torch.zeros(2, 2), torch.zeros(2), torch.cat([cond[5:6], null]))
    torch.testing.assert_close(seen[0], torch.cat([told, null]), equal_nan=True)


def test_data_take_turns_among_the_flagged_rows(gen):
    coupling = stirred(classes=500, cond_drop=0.4)
    x1, label = torch.randn(500, 2, generator=gen), torch.arange(500)
    pairs = coupling(torch.zeros(500, 2), x1, label, generator=gen)
    flagged = pairs.cond == -1
    assert pairs.x1[~flagged].equal(x1[~flagged])
    # no flagged row keeps its own, every one is used once, and the source still is that of the row's condition
    assert (pairs.x1[flagged] != x1[flagged]).any(1).all()
    assert pairs.x1[flagged].sort(0).values.equal(x1[flagged].sort(0).values)
    torch.testing.assert_close(pairs.x0, coupling.source(label).mean)


def test_source_and_data_are_independent_under_the_flag(gen):
    """Class k has its data at k: under the flag the correlation with the source's class is gone."""
    rows = 20_000
    coupling = stirred(classes=2, cond_drop=0.5)
    label = torch.randint(0, 2, (rows,), generator=gen)
    x1 = torch.stack([label.float(), label.float()], 1)
    pairs = coupling(torch.zeros(rows, 2), x1, label, generator=gen)
    flagged = pairs.cond == -1
    correlation = lambda keep: torch.corrcoef(torch.stack([pairs.x0[keep, 0], pairs.x1[keep, 0]]))[0, 1].abs()
    assert correlation(~flagged) > 0.999
    assert correlation(flagged) < 4 / math.sqrt(flagged.sum())


def test_a_single_flagged_row_is_spared():
    coupling = stirred(classes=2, cond_drop=0.999999)
    pairs = coupling(torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1).long())
    assert pairs.cond.equal(torch.zeros(1).long())
    assert pairs.x1.equal(torch.ones(1, 2))


def test_guidance_mixes_the_two_flags_from_one_state():
    coupling = stirred(classes=4)
    field = coupling.field(lambda x, t, cond: x + cond[:, None], Affine())  # 0 with the condition, -1 without
    x, t, label = torch.zeros(3, 2), torch.zeros(3), torch.tensor([1, 2, 3])
    for w, expected in ((0.0, -1.0), (1.0, 0.0), (3.0, 2.0)):
        assert ClassifierFree(field, w)(x, t, label).equal(torch.full((3, 2), expected))


def test_senseless_parts_are_refused():
    with pytest.raises(Incompatible, match="these data have none"):
        CrossFlow((2,))
    with pytest.raises(InvalidInput, match="starts from the condition"):
        CrossFlow((2,), classes=3)(torch.zeros(2, 2), torch.zeros(2, 2))
    with pytest.raises(InvalidInput, match="cond_drop"):
        CrossFlow((2,), classes=2, cond_drop=-0.1)


def test_rows_that_come_without_a_condition_are_told_so():
    label, vector = torch.tensor([-1, 2]), torch.tensor([[math.nan, math.nan], [1.0, 2.0]])
    for coupling, cond in ((stirred(classes=3), label), (stirred(features=2), vector)):
        told = coupling(torch.zeros(2, 2), torch.ones(2, 2), cond).cond
        torch.testing.assert_close(told, torch.stack([cond[0], torch.zeros_like(cond[1])]), equal_nan=True)
