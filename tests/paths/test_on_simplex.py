"""Laws that every path of probability vectors keeps; a new one adds a line to the catalogue."""

import pytest
import torch
from scipy import stats

from pushforward.core import EndpointPath, Incompatible, InvalidInput, Pairs
from pushforward.fields import Categorical, Logits, NetField
from pushforward.oracles import TokenLaw
from pushforward.paths import Dirichlet, Fisher, GumbelSoftmax, LinearSimplex
from pushforward.solvers import Euler, solve
from pushforward.spaces import Tokens

F64 = torch.float64
P = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=F64)

PATHS = [Dirichlet(), Dirichlet(clock=3.0), LinearSimplex(), GumbelSoftmax(), Fisher()]
each = pytest.mark.parametrize("path", PATHS, ids=repr)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs_of(path, n=64, event=(2,), K=4, dtype=F64):
    x0 = path.space.noise(torch.empty(n, *event, K, dtype=dtype), generator=gen())
    return Pairs((x0, torch.randint(K, (n, *event), generator=gen(1))))


def as_probs(path, x):
    return x.square() if hasattr(path, "says_symbols") else x


@each
@pytest.mark.parametrize("event", [(), (2,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_states_are_probability_vectors_that_start_at_the_source(path, event, dtype):
    pairs, t = pairs_of(path, event=event, dtype=dtype), torch.linspace(0, 1, 64, dtype=dtype)
    assert isinstance(path, EndpointPath)
    point = path.sample(pairs, t, generator=gen(2))
    assert point.x.dtype == dtype
    assert point.x.shape == (64, *event, 4)
    x = as_probs(path, point.x)
    torch.testing.assert_close(x.sum(-1), torch.ones(64, *event, dtype=dtype))
    assert x.min() >= 0
    torch.testing.assert_close(point.x[:1], pairs.x0[:1])
    assert path.velocity(point).isfinite().all()
    assert path.velocity(point).dtype == dtype


@each
def test_velocity_is_the_drift_of_a_law_that_knows_the_data(path):
    pairs, t = pairs_of(path), torch.linspace(0.05, 0.95, 64, dtype=F64)
    point = path.sample(pairs, t, generator=gen(2))
    law = Logits().law(Categorical.at(pairs.x1, 4).logits.double(), point.x, t)
    torch.testing.assert_close(path.drift(law, point.x, t), path.velocity(point), rtol=1e-6, atol=1e-6)


@each
def test_symbols_and_one_hot_vectors_are_the_same_data(path):
    pairs, t = pairs_of(path), torch.linspace(0.05, 0.95, 64, dtype=F64)
    hot = pairs._replace(anchors=(pairs.x0, torch.nn.functional.one_hot(pairs.x1, 4).double()))
    a, b = path.sample(pairs, t, generator=gen(2)), path.sample(hot, t, generator=gen(2))
    assert torch.equal(a.x, b.x)
    assert torch.equal(path.velocity(a), path.velocity(b))
    assert torch.equal(Logits().target(path, a), Logits().target(path, b))


@each
@pytest.mark.parametrize("t", [0.1, 0.4, 0.9])
def test_the_exact_posterior_is_calibrated(path, t):
    """E[(1[x1 = k] - P(k | x_t)) g(x_t)] = 0 for any g; 4.5 standard errors."""
    n, law = 40_000, TokenLaw(P)
    x1 = law.sample(n, generator=gen())
    x0 = path.space.noise(torch.empty(n, 1, 4, dtype=F64), generator=gen(1))
    t = torch.full((n,), t, dtype=F64)
    x = path.sample(Pairs((x0, x1)), t, generator=gen(2)).x
    gap = torch.nn.functional.one_hot(x1, 4) - law.on_simplex(path)(x, t).exp()
    for g in (torch.ones_like(x), x, x.amax(-1, keepdim=True), (x > 0.4).double()):
        each = (gap * g)[:, 0]
        assert (each.mean(0).abs() <= 4.5 * each.std(0) / n**0.5 + 1e-9).all()


@each
def test_the_exact_posterior_draws_the_data(path):
    """Followed by Euler, then drawn from the last posterior: chi-square against the law of the symbol."""
    n = 4000
    field = NetField(TokenLaw(P).on_simplex(path), Logits(), path)
    x = path.space.noise(torch.empty(n, 1, 4, dtype=F64), generator=gen())
    x = solve(field, x, torch.linspace(0, 1, 151), solver=Euler(path.space)).x
    found = field.law(x, torch.ones(n, dtype=F64)).sample(generator=gen(1))
    counts = torch.bincount(found[:, 0], minlength=4).double()
    assert stats.chisquare(counts.numpy(), (n * P).numpy()).pvalue > 1e-3


def test_two_positions_that_depend_on_each_other_are_known_together():
    path, table = Dirichlet(), torch.tensor([[0.5, 0.0], [0.0, 0.5]], dtype=F64)
    x = torch.tensor([[[0.5, 0.5], [0.9, 0.1]]], dtype=F64)
    said = TokenLaw(table).on_simplex(path)(x, torch.tensor([0.5], dtype=F64)).exp()
    torch.testing.assert_close(said[0, 0], said[0, 1])
    odds = said[0, 0, 0] / said[0, 0, 1]
    torch.testing.assert_close(odds, torch.tensor(9.0, dtype=F64) ** 3.5)  # (0.9 / 0.1)^c, c = 7 / 2


def test_most_symbols_are_soon_impossible_on_straight_lines():
    """The pathology: how many stay possible on average, beside derived figures; a Dirichlet path rules out none."""
    path = LinearSimplex()
    for K, t, expected in ((4, 0.1, 3.11), (4, 0.3, 1.56), (20, 0.1, 3.03), (20, 0.2, 1.08), (80, 0.1, 1.01)):
        n = 4000
        x = path.sample(pairs_of(path, n, (), K), torch.full((n,), t, dtype=F64)).x
        possible = (path.log_likelihood(x, torch.full((n,), t, dtype=F64)) == 0).sum(-1).double()
        assert possible.max() <= 1 / t
        assert abs(possible.mean() - expected) < 0.005 + 4.5 * possible.std() / n**0.5
    late = torch.full((64,), 0.51, dtype=F64)
    x = path.sample(pairs_of(path), late).x
    assert ((path.log_likelihood(x, late) == 0).sum(-1) == 1).all()
    assert (Dirichlet().log_likelihood(x.clamp_min(1e-3), late) > -25).all()


def test_a_last_step_of_euler_on_straight_lines_arrives_at_the_posterior():
    path, x = LinearSimplex(), torch.tensor([[0.2, 0.3, 0.5]], dtype=F64)
    law = Categorical(torch.tensor([[1.0, 0.0, 2.0]], dtype=F64))
    field = lambda x, t, cond=None: path.drift(law, x, t)
    torch.testing.assert_close(solve(field, x, [0.75, 1.0], solver=Euler(path.space)).x, law.mean)


def test_what_makes_no_sense_is_refused():
    path, x, t = Dirichlet(), torch.full((2, 3, 4), 0.25), torch.zeros(2)
    for x1 in (torch.zeros(2, dtype=torch.int64), torch.zeros(2, 3)):
        with pytest.raises(InvalidInput, match=r"x0 is \[2, 3, 4\] .*expected probability vectors"):
            path.sample(Pairs((x, x1)), t)
    with pytest.raises(InvalidInput, match=r"a law of shape \[2, 3, 5\] for states \[2, 3, 4\]"):
        path.drift(Categorical(torch.zeros(2, 3, 5)), x, t)
    with pytest.raises(Incompatible, match=r"Simplex\(\)"):
        LinearSimplex(Tokens(4))
