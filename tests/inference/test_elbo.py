"""The bound of token sequences against entropies and the closed forms of one symbol."""

import math

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible, Pairs
from pushforward.fields import Logits, NetField
from pushforward.inference import elbo
from pushforward.metrics import perplexity
from pushforward.oracles import TokenLaw
from pushforward.paths import CondOT, Mixture, Polynomial
from pushforward.spaces import Tokens


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def table(size, length):
    weights = torch.rand((size,) * length, generator=gen(5), dtype=torch.float64) ** 3
    return weights / weights.sum()


def exact(law, path):
    return NetField(law.along(path), Logits(), path)


@pytest.mark.parametrize("schedule", [CondOT(), Polynomial(3)], ids=str)
@pytest.mark.parametrize(("size", "length"), [(5, 1), (3, 3)])
def test_with_the_mask_the_bound_of_the_exact_posterior_is_the_log_probability(schedule, size, length):
    """Row by row; four standard errors of the mean of 4000 estimates."""
    law = TokenLaw(table(size, length))
    field = exact(law, Mixture(Tokens(size, mask=True), schedule))
    x = law.states()[[0, 2, 4]].repeat_interleave(4000, 0)
    bound = elbo(field, x, strata=16, generator=gen()).reshape(3, 4000)
    error = (bound.mean(1) - law.log_prob(x).reshape(3, 4000)[:, 0]).abs()
    assert (error < 4 * bound.std(1) / 4000**0.5).all()
    assert (bound.std(1) / 4000**0.5 < 0.03).all()


def test_the_mean_bound_is_the_entropy_to_a_hundredth():
    law = TokenLaw(table(3, 2))
    x = law.sample(30_000, generator=gen())
    bound = elbo(exact(law, Mixture(Tokens(3, mask=True))), x, strata=64, generator=gen(1))
    gap = bound - law.log_prob(x)  # its mean is 0, and has not the spread of the entropy
    assert gap.std() / len(x) ** 0.5 < 2.5e-3
    assert abs(gap.mean()) < 1e-2


@pytest.mark.parametrize(
    ("p", "bounds"),
    [
        ((0.7, 0.3), (0.4517324, 1.4468361)),
        ((0.5, 0.5), (0.8465736, 0.8465736)),
        ((0.9, 0.1), (0.1433486, 2.8071549)),
    ],
)
def test_without_the_mask_the_bound_of_one_symbol_is_its_integral(p, bounds):
    """Two symbols, kappa = t, in closed form: by a midpoint rule in q over both values of x_t, and by draws."""
    path, n = Mixture(Tokens(2)), 20_000
    law = TokenLaw(p)
    rest = 1 - (torch.arange(n, dtype=torch.float64) + 0.5) / n
    t = 1 - rest**2
    for k, bound in enumerate(bounds):
        x1, total = torch.full((n, 1), k), 0.0
        for state in (0, 1):
            x = torch.full((n, 1), state)
            point = path.sample(Pairs((x, x1)), t)._replace(x=x)
            gap = path.gap(law.along(path)(x, t).log_softmax(-1), point)
            total += (path.likelihood(x, t)[:, 0, k] * gap * 2 / rest).mean()
        assert total == pytest.approx(bound, abs=2e-7)
        assert bound > -math.log(p[k])
        drawn = -elbo(exact(law, path), x1, strata=8, generator=gen(k))
        assert abs(drawn.mean() - bound) < 4 * drawn.std() / n**0.5


def test_a_network_that_knows_nothing_has_the_bound_of_guessing():
    class Nothing(nn.Module):
        def forward(self, x, t, cond=None):
            return torch.zeros(*x.shape, 4)

    field = NetField(Nothing(), Logits(), Mixture(Tokens(4, mask=True)))
    x = torch.randint(4, (500, 2, 5), generator=gen())
    bound = elbo(field, x, strata=32, generator=gen(1))
    assert abs(perplexity(bound, 10) - 4) < 4 * 4 * bound.std() / 10 / 500**0.5


def test_fields_that_say_no_law_of_symbols_are_refused():
    with pytest.raises(Incompatible, match="law of symbols"):
        elbo(lambda x, t, cond: x, torch.zeros(2, 1, dtype=torch.int64))
