"""The exact law of tokens against brute force."""

import math

import pytest
import torch

from pushforward.core import InvalidInput, Pairs
from pushforward.oracles import TokenLaw
from pushforward.paths import Mixture, Polynomial
from pushforward.spaces import Tokens


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def table(size, length, seed=5):
    weights = torch.rand((size,) * length, generator=gen(seed), dtype=torch.float64) ** 3
    return weights / weights.sum()


@pytest.mark.parametrize(("size", "length"), [(2, 1), (3, 2), (2, 4), (20, 1)])
def test_draws_and_log_probabilities_are_those_of_the_table(size, length):
    law = TokenLaw(table(size, length))
    x = law.sample(40_000, generator=gen())
    assert x.shape == (40_000, length)
    seen = torch.zeros(law.table.shape, dtype=torch.float64)
    seen.index_put_(x.unbind(1), torch.ones(len(x), dtype=torch.float64), accumulate=True)
    p = law.table
    assert ((seen / len(x) - p).abs() <= 5 * (p * (1 - p) / len(x)).sqrt() + 1e-9).all()
    log_prob = law.log_prob(x)
    assert abs(-log_prob.mean() - law.entropy()) < 5 * log_prob.std() / len(x) ** 0.5
    torch.testing.assert_close(law.log_prob(law.states()).exp(), p.flatten())


@pytest.mark.parametrize("mask", [False, True])
def test_posteriors_of_data_and_source_are_the_shares_among_draws(mask):
    """Of all draws with one x_t, the share of each x1 and x0; four standard errors."""
    law, path = TokenLaw(table(3, 2)), Mixture(Tokens(3, mask=mask), Polynomial(2))
    exact, n = law.along(path), 300_000
    x1 = law.sample(n, generator=gen())
    x0 = path.space.noise(x1, generator=gen(1))
    x = path.sample(Pairs((x0, x1)), torch.full((n,), 0.7), generator=gen(2)).x
    for state in ([0, 2], [2, 1], [3, 1] if mask else [1, 1]):
        here = (x == torch.tensor(state)).all(1)
        m = here.sum().item()
        row = torch.tensor([state])
        p = exact.marginal(row, 0.7).item()
        assert abs(m / n - p) < 4 * math.sqrt(p * (1 - p) / n)
        for ends, posterior in ((x1, exact.posterior), (x0, None if mask else exact.source_posterior)):
            if posterior is not None:
                shares = torch.stack([torch.bincount(ends[here, i], minlength=3) / m for i in range(2)])
                q = posterior(row, 0.7)[0]
                assert ((shares - q).abs() <= 4.5 * (q * (1 - q) / m).sqrt() + 1e-12).all()


def test_one_symbol_has_the_posterior_of_the_sheet():
    """p_k (kappa 1[x = k] + (1 - kappa) / K), normalised."""
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    exact = TokenLaw(p).along(Mixture(Tokens(3)))
    said = exact.posterior(torch.tensor([[1]]), 0.4)[0, 0]
    weights = p * torch.tensor([0.2, 0.6, 0.2], dtype=torch.float64)
    torch.testing.assert_close(said, weights / weights.sum())


def test_the_posterior_under_the_mask_does_not_know_the_time():
    exact = TokenLaw(table(3, 3)).along(Mixture(Tokens(3, mask=True)))
    x = torch.tensor([[3, 1, 3]])
    torch.testing.assert_close(exact.posterior(x, 0.2), exact.posterior(x, 0.9))
    conditional = exact.table[:, 1].sum(1) / exact.table[:, 1].sum()
    torch.testing.assert_close(exact.posterior(x, 0.5)[0, 0], conditional)


def test_tables_that_are_no_laws_are_refused():
    with pytest.raises(InvalidInput, match=r"shape \[2, 3\], expected \[K, ..., K\]"):
        TokenLaw(torch.ones(2, 3) / 6)
    with pytest.raises(InvalidInput, match="sum 2"):
        TokenLaw(torch.ones(2))
    with pytest.raises(InvalidInput, match="symbols"):
        TokenLaw([0.5, 0.5]).along(Mixture(Tokens(3)))
