import torch
from torch.distributions import Normal as Reference

from pushforward.core import Law
from pushforward.fields import Normal


def case(seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean, y = torch.randn(2, 4, 3, 2, generator=generator, dtype=torch.float64)
    return mean, y, torch.tensor([0.1, 0.5, 1.0, 3.0], dtype=torch.float64)


def test_density_is_that_of_torch():
    mean, y, std = case()
    expected = Reference(mean, std[:, None, None]).log_prob(y).flatten(1).sum(1)
    law = Normal(mean, std)
    assert isinstance(law, Law)
    torch.testing.assert_close(law.log_prob(y), expected)
    torch.testing.assert_close(law.loss(y), -expected / 6)


def test_a_mapping_is_its_leaves_side_by_side():
    mean, y, std = case()
    halves = lambda x: {"a": x[:, 0], "b": x[:, 1:]}
    torch.testing.assert_close(Normal(halves(mean), std).log_prob(halves(y)), Normal(mean, std).log_prob(y))


def test_draws_have_the_moments_of_the_law():
    n = 40_000
    law = Normal(torch.full((n, 1), 2.0, dtype=torch.float64), torch.full((n,), 0.3, dtype=torch.float64))
    x = law.sample(generator=torch.Generator().manual_seed(1))
    assert abs(x.mean() - 2.0) < 4 * 0.3 / n**0.5
    assert abs(x.var() - 0.09) < 4 * 0.09 * (2 / n) ** 0.5
