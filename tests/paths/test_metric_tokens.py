"""The metric path of tokens against the equation it must keep."""

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs, Path
from pushforward.fields import Categorical, Logits, NetField
from pushforward.objectives import DiscreteFlowMatching, Uniform
from pushforward.oracles import TokenLaw
from pushforward.paths import MetricTokens
from pushforward.solvers import Euler, ExactJump, solve
from pushforward.spaces import Tokens

F64 = torch.float64
LINE = (torch.arange(4.0, dtype=F64)[:, None] - torch.arange(4.0, dtype=F64)).abs()
SKEW = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=F64) + 0.2
PATHS = [
    MetricTokens(Tokens(4), LINE),
    MetricTokens(Tokens(4), LINE.square(), scale=2.0, power=1.5),
    MetricTokens(Tokens(4), SKEW.fill_diagonal_(0.0)),  # no symmetry is asked for
]
each = pytest.mark.parametrize("path", PATHS, ids=["line", "squares", "skew"])


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def table(seed=5):
    weights = torch.rand(4, 4, generator=gen(seed), dtype=F64) ** 2
    return weights / weights.sum()


@each
def test_runs_from_uniform_noise_to_the_data(path):
    assert isinstance(path, Path)
    x1 = torch.randint(4, (5000, 2), generator=gen())
    pairs = Pairs((torch.zeros_like(x1), x1))
    at = lambda t: path.sample(pairs, torch.full((5000,), t, dtype=F64), generator=gen(1)).x
    assert torch.equal(at(1.0), x1)
    shares = torch.bincount(at(0.0).flatten(), minlength=4) / 10_000
    assert (shares - 0.25).abs().max() < 4 * (0.25 * 0.75 / 10_000) ** 0.5
    near, far = ((path.distance[at(t), x1]).mean() for t in (0.7, 0.3))
    assert near < far


@each
@pytest.mark.parametrize("t", [0.2, 0.6])
def test_the_rates_given_the_data_are_the_kinetic_optimal_ones(path, t):
    """[p(x) p'(y) - p'(x) p(y)]_+ / p(x) with p' by autodiff; and what flows is the derivative."""
    time = torch.tensor([t], dtype=F64)
    p = path.laws(time)[0]
    dp = torch.autograd.functional.jacobian(lambda time: path.laws(time)[0], time)[..., 0]
    for x1 in range(4):
        x = torch.arange(4)
        point = path.sample(Pairs((x, torch.full((4,), x1))), time.expand(4))._replace(x=x)
        u = path.velocity(point)  # [x, y]
        flux = p[:, x1, None] * dp[:, x1] - dp[:, x1, None] * p[:, x1]
        off = 1 - torch.eye(4)
        torch.testing.assert_close(off * u, (flux.clamp_min(0) / p[:, x1, None]).to(F64))
        torch.testing.assert_close(p[:, x1] @ u, dp[:, x1])


@each
@pytest.mark.parametrize("t", [0.2, 0.6])
def test_the_marginal_rates_give_the_derivative_of_the_marginal(path, t):
    """By central differences of the exact marginal, h^2 = 1e-10."""
    exact, h = TokenLaw(table()).along(path), 1e-5
    x = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    slope = (exact.marginal(x, t + h) - exact.marginal(x, t - h)) / (2 * h)
    p, u = exact.marginal(x, t).reshape(4, 4), exact.rates(x, t).reshape(4, 4, 2, 4)
    flow = torch.einsum("ab,aby->yb", p, u[:, :, 0]) + torch.einsum("ab,aby->ay", p, u[:, :, 1])
    torch.testing.assert_close(flow.flatten(), slope, rtol=0, atol=1e-7)


@each
def test_a_law_that_knows_the_data_has_the_conditional_rates_and_no_divergence(path):
    x1 = torch.randint(4, (64, 2, 3), generator=gen())
    t = 0.05 + 0.9 * torch.rand(64, generator=gen(1), dtype=F64)
    point = path.sample(Pairs((x1, x1)), t, generator=gen(2))
    known = Categorical(Categorical.at(x1, 4).logits.double())
    torch.testing.assert_close(path.drift(known, point.x, t), path.velocity(point))
    assert path.bregman(known.log_probs, point).abs().max() < 1e-9
    other = Categorical(torch.randn(64, 2, 3, 4, generator=gen(3), dtype=F64))
    assert (path.bregman(other.log_probs, point) >= 0).all()


def test_the_exact_posterior_is_stationary_for_the_bound():
    """The gradient over 40 batches, each component within 4.5 standard errors of 0."""
    path, law = PATHS[0], TokenLaw(table())
    exact, extra = law.along(path), torch.zeros(4, 4, 2, 4, dtype=F64, requires_grad=True)
    net = lambda x, t, cond: exact(x, t) + extra[x[:, 0], x[:, 1]]
    gradients = []
    for k in range(40):
        x1 = law.sample(500, generator=gen(1000 + k))
        loss = DiscreteFlowMatching(path, times=Uniform(0.0, 0.9))(net, Pairs((x1, x1)), generator=gen(k)).value
        gradients.append(torch.autograd.grad(loss, extra)[0])
    g = torch.stack(gradients)
    error = g.std(0) / len(g) ** 0.5
    assert (g.mean(0).abs() <= 4.5 * error + 1e-12).all()


def test_euler_follows_it_from_noise_to_data():
    path, law, n = PATHS[0], TokenLaw(table()), 3000
    field = NetField(law.along(path), Logits(), path)
    x0 = path.space.noise(torch.zeros(n, 2), generator=gen())
    x = solve(field, x0, torch.linspace(0, 0.999, 81), solver=Euler(path.space), generator=gen(1)).x
    seen = torch.bincount(4 * x[:, 0] + x[:, 1], minlength=16) / n
    # the floor of 3000 draws in 16 cells is 0.027; order 1 in 80 steps adds about as much
    assert (seen - law.table.flatten()).abs().sum() / 2 < 0.055


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Incompatible, match="mask has no distance"):
        MetricTokens(Tokens(4, mask=True), LINE)
    for wrong in (LINE[:3], LINE + 1, LINE - 0.5):
        with pytest.raises(InvalidInput, match="zeros on the diagonal"):
            MetricTokens(Tokens(4), wrong)
    with pytest.raises(InvalidInput, match=r"power=0\.5"):
        MetricTokens(Tokens(4), LINE, power=0.5)
    with pytest.raises(Incompatible, match="expected that of the tokens"):
        ExactJump(PATHS[0])
