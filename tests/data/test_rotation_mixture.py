"""The density of scattered rotations."""

import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.data import Distribution, RotationMixture
from pushforward.spaces import IGSO3, SO3

F64 = torch.float64


def test_the_density_integrates_to_one():
    """E_uniform[8 pi^2 p] = 1, over draws of another, wider law q: E_q[p / q] = 1, to 4 standard errors."""
    law, n = RotationMixture(modes=2), 40_000
    means, scales = law._parts
    assert ((scales > 0.07) & (scales < 0.14)).all()  # 1 / sqrt(Gamma(100)) is 0.1 to 4 of its deviations of .005
    wide = [IGSO3(2 * float(s)) for s in scales]
    at = means[torch.arange(n) % 2]
    turns = torch.stack([w.noise(at[k::2], generator=torch.Generator().manual_seed(k)) for k, w in enumerate(wide)], 1)
    x = at @ turns.flatten(0, 1)
    q = torch.stack([w.log_prob(m.mT @ x) for m, w in zip(means, wide, strict=True)]).logsumexp(0) - math.log(2)
    ratio = (law.log_prob(x) - q).exp()
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / n**0.5


def test_draws_have_the_density():
    """E_p[q / p] = 1 for a narrower law q; the square of the angle to the mean has mean 3 and variance 6, in scales."""
    law, n = RotationMixture(), 20_000
    means, scales = law._parts
    x = law.sample(n, generator=torch.Generator().manual_seed(0)).to(F64)
    q = torch.stack([IGSO3(0.7 * float(s)).log_prob(m.mT @ x) for m, s in zip(means, scales, strict=True)])
    ratio = (q.logsumexp(0) - math.log(16) - law.log_prob(x)).exp()
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / n**0.5
    one = RotationMixture(modes=1, seed=3)
    mean, scale = (part[0] for part in one._parts)
    w = SO3().distance(mean.expand(n, 3, 3), one.sample(n, generator=torch.Generator().manual_seed(1)).to(F64)) / scale
    assert abs(float(w.square().mean()) - 3) < 4 * (6 / n) ** 0.5


def test_it_is_a_distribution_with_a_seed():
    assert isinstance(RotationMixture(), Distribution)
    one, two = (RotationMixture(seed=5).sample(4, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, RotationMixture(seed=6).sample(4, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(InvalidInput, match="modes"):
        RotationMixture(modes=0)
