"""The mixture path against the equations it must keep."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, Path
from pushforward.fields import Categorical
from pushforward.oracles import TokenLaw
from pushforward.paths import (
    CondOT,
    Cosine,
    CosineSpeed,
    KineticOptimal,
    LinearVP,
    Mixture,
    Polynomial,
    VarianceExploding,
)
from pushforward.spaces import Euclidean, Tokens

SCHEDULES = [CondOT(), Polynomial(2), Polynomial(3), Cosine(), CosineSpeed(), LinearVP()]
SPACES = [Tokens(3), Tokens(3, mask=True)]
each = pytest.mark.parametrize("path", [Mixture(space, s) for space in SPACES for s in SCHEDULES], ids=str)
TABLE = torch.tensor([[0.30, 0.02, 0.10], [0.05, 0.08, 0.15], [0.15, 0.12, 0.03]], dtype=torch.float64)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def every(path):
    symbols = torch.arange(path.space.size)
    return torch.cartesian_prod(symbols, symbols)


def flow_into(path, rates, p):
    """sum_x u(y, x) p(x) for every pair of symbols y, one position jumping at a time."""
    S = path.space.size
    p, u = p.reshape(S, S), rates.reshape(S, S, 2, S)  # u[x1, x2, position, y]
    return torch.einsum("ab,aby->yb", p, u[:, :, 0]) + torch.einsum("ab,aby->ay", p, u[:, :, 1])


@each
def test_sample_meets_both_ends_and_shows_data_as_often_as_kappa_says(path):
    assert isinstance(path, Path)
    x0, x1 = path.space.noise(torch.zeros(4000, 2), generator=gen()), torch.randint(3, (4000, 2), generator=gen(1))
    ends = {t: path.sample(Pairs((x0, x1)), torch.full((4000,), t)).x for t in (0.0, 1.0)}
    assert torch.equal(ends[0.0], x0)
    assert torch.equal(ends[1.0], x1)
    t = torch.full((4000,), 0.6)
    x = path.sample(Pairs((x0, x1)), t, generator=gen(2)).x
    differ = x0 != x1
    share = (x == x1)[differ].double().mean()
    k = path.kappa(t)[0][0].double()
    assert abs(share - k) < 4 * (k * (1 - k) / differ.sum()).sqrt()


@each
@pytest.mark.parametrize("t", [0.2, 0.7])
def test_the_marginal_rates_and_those_of_the_way_back_give_the_derivative_of_the_marginal(path, t):
    """dp_t/dt(y) = sum_x u(y, x) p_t(x), by central differences of the exact marginal, h^2 = 1e-10."""
    exact, x, h = TokenLaw(TABLE).along(path), every(path), 1e-5
    slope = (exact.marginal(x, t + h) - exact.marginal(x, t - h)) / (2 * h)
    rates, p = exact.rates(x, t), exact.marginal(x, t)
    assert rates.sum(-1).abs().max() < 1e-12
    torch.testing.assert_close(flow_into(path, rates, p).flatten(), slope, rtol=0, atol=1e-7)
    if not path.space.mask:
        said = Categorical(exact.source_posterior(x, t).log())
        back = path.backward(said, x, torch.full((len(x),), t, dtype=torch.float64))
        torch.testing.assert_close(flow_into(path, back, p).flatten(), slope, rtol=0, atol=1e-7)


@each
def test_velocity_is_the_drift_of_a_law_that_knows_the_data(path):
    x1 = torch.randint(3, (64, 2), generator=gen())
    point = path.sample(Pairs((path.space.noise(x1, generator=gen(1)), x1)), torch.rand(64, generator=gen(2)))
    known = Categorical.at(x1, 3)
    torch.testing.assert_close(path.drift(known, point.x, point.t), path.velocity(point))
    assert torch.equal(path.bregman(known.log_probs, point), torch.zeros(64))


@each
def test_the_bregman_divergence_is_that_of_the_rates(path):
    """Against its definition, summed over all symbols."""
    x1, g = torch.randint(3, (64, 2), generator=gen()), gen(3)
    t = 0.05 + 0.9 * torch.rand(64, generator=g, dtype=torch.float64)
    point = path.sample(Pairs((path.space.noise(x1, generator=g), x1)), t, generator=g)
    law = Categorical(torch.randn(64, 2, 3, generator=g, dtype=torch.float64))
    u, v = path.velocity(point), path.drift(law, point.x, t)
    terms = (torch.special.xlogy(u, u / v) - u + v).nan_to_num(0.0)  # 0 / 0 where neither goes
    slow = terms.scatter(-1, point.x[..., None], 0.0).sum((1, 2))
    torch.testing.assert_close(path.bregman(law.log_probs, point), slow)


def test_shown_symbols_stay_with_the_mask():
    path = Mixture(Tokens(3, mask=True))
    rates = path.drift(Categorical(torch.randn(1, 2, 3)), torch.tensor([[1, 3]]), torch.tensor([0.5]))
    assert torch.equal(rates[0, 0], torch.zeros(4))
    assert rates[0, 1, :3].min() > 0


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Incompatible, match="the space of its symbols"):
        Mixture(Euclidean())
    for schedule in (VarianceExploding(), KineticOptimal((0.3, 0.5, 0.9, 1.0))):
        if abs(float(schedule(torch.ones(1)).alpha - 1)) > 1e-3 or float(schedule(torch.zeros(1)).alpha) > 1e-3:
            with pytest.raises(InvalidInput, match="kappa runs from"):
                Mixture(Tokens(3), schedule)
    path, x = Mixture(Tokens(3, mask=True)), torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(InvalidInput, match=r"expected \[2, 3, 3\].*none for the mask"):
        path.drift(Categorical(torch.zeros(2, 3, 4)), x, torch.zeros(2))
    with pytest.raises(InvalidInput, match="int64 symbols"):
        path.sample(Pairs((x, torch.zeros(2, 3))), torch.zeros(2))
