"""Particles with double wells: their energy, and chains that have their law."""

import pytest
import torch
from scipy import stats

from pushforward.core import InvalidInput
from pushforward.data import DoubleWellParticles, Stream
from pushforward.oracles import ParticlePair


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_energy_is_the_sum_over_ordered_pairs():
    law = DoubleWellParticles(temperature=2.0, linear=0.3)
    x = torch.randn(5, 4, 2, generator=gen()) * 3
    e = lambda d: 0.3 * (d - 4) - 4 * (d - 4) ** 2 + 0.9 * (d - 4) ** 4
    slow = [sum(e((p[i] - p[j]).norm()) for i in range(4) for j in range(4) if i != j) / (2 * 2.0) for p in x]
    torch.testing.assert_close(law.energy(x), torch.stack(slow))
    turn, _ = torch.linalg.qr(torch.randn(2, 2, generator=gen(1)))
    torch.testing.assert_close(law.energy(x[:, [3, 0, 1, 2]] @ turn + 5), law.energy(x), rtol=1e-3, atol=1e-3)


def test_chains_of_a_pair_have_its_exact_law():
    law = DoubleWellParticles(count=2, steps=400)
    r, exact = law.distances(law.sample(4000, generator=gen()))[:, 0], ParticlePair(law.pair_energy)
    assert stats.ks_2samp(r, exact.distances(20_000, generator=gen(1))).pvalue > 1e-3


def test_the_virial_of_dw4_counts_its_coordinates():
    """E[x . grad E] = d (N - 1), by parts; and rows are centred and reproducible."""
    law = DoubleWellParticles(steps=600)
    x = law.sample(2000, generator=gen()).double().requires_grad_()
    (slope,) = torch.autograd.grad(law.energy(x).sum(), x)
    virial = (x * slope).sum((1, 2)).detach()
    assert abs(float(virial.mean()) - 6) < 5 * float(virial.std()) / 2000**0.5
    assert x.mean(1).abs().max() < 1e-6
    short = DoubleWellParticles(steps=5)
    batch, _ = Stream(short).batch(3, 4, seed=0)
    assert batch.equal(Stream(short).batch(3, 4, seed=0)[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 1}, "count is 1, expected at least 2"),
        ({"dimension": 0}, "dimension is 0, expected at least 1"),
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"quartic": 0.0}, "quartic is 0.0, expected a positive"),
        ({"temperature": -1.0}, "temperature is -1.0, expected a positive"),
    ],
)
def test_refusals(given, message):
    with pytest.raises(InvalidInput, match=message):
        DoubleWellParticles(**given)
