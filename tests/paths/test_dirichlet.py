"""The speed of Dirichlet flows against many digits, and the path against Beta laws."""

import math

import mpmath
import pytest
import torch
from scipy import stats

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.fields import Categorical
from pushforward.paths import Dirichlet, dirichlet_speed
from pushforward.paths.dirichlet_speed import tabulated_speed
from pushforward.solvers import Euler, solve
from pushforward.spaces import Concrete, Euclidean, Simplex

F64 = torch.float64


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def f64(*values):
    return torch.tensor(values, dtype=F64)


def many_digits(b, c, K):
    """The definition, with the derivative of the Beta function's series taken exactly, term by term, in many digits.

    I_b(c + 1, K - 1) B = sum_j binomial(K - 2, j) (-1)^j b^(c + 1 + j) / (c + 1 + j), which cancels as (1 - b)^K does.
    """
    with mpmath.workdps(40 + int(1.5 * K + K * max(0.0, -math.log10(1 - b)))):
        b, c = mpmath.mpf(b), mpmath.mpf(c)
        log_b, whole, slope, term = mpmath.log(b), mpmath.mpf(0), mpmath.mpf(0), b ** (c + 1)
        for j in range(K - 1):
            part = term / (c + 1 + j)
            whole, slope = whole + part, slope + part * (log_b - 1 / (c + 1 + j))
            term = -term * b * (K - 2 - j) / (j + 1)
        D = mpmath.fsum(1 / (c + j) for j in range(1, K))  # - d/dc log B(c + 1, K - 1)
        return float(-(slope + D * whole) / ((1 - b) ** (K - 1) * b**c))


@pytest.mark.parametrize("K", [2, 3, 4, 20, 160, 1000])
def test_the_speed_is_its_definition_in_many_digits(K):
    for c in (0.0, 0.5, 7.0, 100.0):
        b = [1e-8, 1e-3, 0.05, 0.5, 0.99]
        found = dirichlet_speed(f64(*b), torch.full((5,), c, dtype=F64), K)
        truth = f64(*[many_digits(value, c, K) for value in b])
        torch.testing.assert_close(found, truth, rtol=1e-10, atol=0)


def test_the_speeds_of_the_sheet_and_the_limits():
    cases = [(0.5, 0, 4, 0.45067675464), (0.25, 2, 4, 0.127712595406), (0.9, 3, 20, 0.094070322786)]
    for b, c, K, value in cases:
        assert dirichlet_speed(f64(b), f64(c), K).item() == pytest.approx(value, rel=1e-10)
    for K in (3, 160):
        D = sum(1 / (2.0 + j) for j in range(1, K))
        assert dirichlet_speed(f64(1.0), f64(2.0), K).item() == pytest.approx(D / (K - 1), rel=1e-10)
        assert dirichlet_speed(f64(0.0), f64(2.0), K).item() < 1e-25
    b = f64(0.01, 0.3, 0.99)
    torch.testing.assert_close(dirichlet_speed(b, torch.full_like(b, 1.5), 2), -b * b.log() / (2.5 * (1 - b)))


@pytest.mark.parametrize("last", [7.0, 100.0])
@pytest.mark.parametrize("K", [2, 4, 160, 1000])
def test_the_table_reads_as_the_integral(K, last):
    """Cubics on a grid of 0.027 in log b: an error of 3/128 0.027^4 f'''' = 1.2e-8 f''''."""
    x = torch.exp(-27.5 * torch.rand(20, K, generator=gen(), dtype=F64))
    x[:, 0] = torch.linspace(0.5, 1.0, 20, dtype=F64)
    c = last * torch.rand(20, generator=gen(1), dtype=F64)
    exact = dirichlet_speed(x, c[:, None].expand_as(x), K)
    torch.testing.assert_close(tabulated_speed(x, c, last), exact, rtol=1e-6, atol=1e-20)
    low = tabulated_speed(x.float(), c.float(), last)
    torch.testing.assert_close(low, exact.float(), rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("table", [False, True])
def test_derivatives_of_the_speed_are_finite_everywhere_and_right_inside(table):
    path, t = Dirichlet(table=table), f64(0.0, 0.4, 1.0).requires_grad_()
    x = f64(0.0, 1e-14, 0.1, 0.6, 1.0).repeat(3, 1).requires_grad_()
    for slope in torch.autograd.grad(path.speed(x, t).sum(), (x, t)):
        assert slope.isfinite().all()
    x = f64(0.1, 0.3, 0.6)[None].requires_grad_()
    (slope,) = torch.autograd.grad(path.speed(x, f64(0.4)).sum(), x)
    h, exact = 1e-5, Dirichlet(table=False)
    differences = (exact.speed(x + h, f64(0.4)) - exact.speed(x - h, f64(0.4))) / (2 * h)
    # the slope of an interpolating cubic: an error of h^3 f'''' / 12 = 2e-6 f''''
    torch.testing.assert_close(slope, differences, rtol=1e-4 if table else 1e-8, atol=0)


@pytest.mark.parametrize("K", [2, 4, 20])
def test_the_speed_moves_the_beta_law_of_the_path(K):
    """d/dt E f(x_k) = E f'(x_k) c_1 C (1 - x_k) for powers f, under Beta(1 + c, K - 1), by quadrature."""
    path, t, n = Dirichlet(clock=5.0, table=False), 0.6, 20_000
    b = (torch.arange(n, dtype=F64) + 0.5) / n
    density = torch.tensor(stats.beta(1 + 5.0 * t, K - 1).pdf(b.numpy()))
    speed = 5.0 * dirichlet_speed(b, torch.full_like(b, 5.0 * t), K)
    mean = lambda t, m: stats.beta(1 + 5.0 * t, K - 1).moment(m)
    for m in (1, 2, 5):
        flux = (density * m * b ** (m - 1) * speed * (1 - b)).mean()
        slope = (mean(t + 1e-5, m) - mean(t - 1e-5, m)) / 2e-5
        assert flux.item() == pytest.approx(slope, rel=1e-6)  # the midpoint rule on n cells: 1 / n^2, differences: 1e-9
    assert path.speed(b[None, :K], f64(t)).shape == (1, K)


def test_samples_have_the_beta_law_and_start_at_the_source():
    path, K, n = Dirichlet(), 4, 20_000
    x0, x1 = Simplex().noise(torch.empty(n, 2, K, dtype=F64), generator=gen()), torch.full((n, 2), 2)
    assert torch.equal(path.sample(Pairs((x0, x1)), torch.zeros(n, dtype=F64), generator=gen()).x, x0)
    point = path.sample(Pairs((x0, x1)), torch.full((n,), 0.5, dtype=F64), generator=gen(1))
    assert stats.kstest(point.x[:, 0, 2].numpy(), stats.beta(1 + 3.5, K - 1).cdf).pvalue > 1e-3
    assert stats.kstest(point.x[:, 1, 0].numpy(), stats.beta(1, K - 1 + 3.5).cdf).pvalue > 1e-3


def test_the_conditional_flow_arrives_at_the_conditional_law():
    """Euler, whose 200 steps leave about 0.005 in the law (half as much as 100); 1000 rows: 0.062 at the 1e-3 level."""
    path, K, n = Dirichlet(), 4, 1000
    x = Simplex().noise(torch.empty(n, 1, K, dtype=F64), generator=gen())
    known = Categorical.at(torch.ones(n, 1, dtype=torch.int64), K)
    x = solve(lambda x, t, cond=None: path.drift(known, x, t), x, torch.linspace(0, 1, 201), solver=Euler(Simplex())).x
    assert stats.kstest(x[:, 0, 1].numpy(), stats.beta(8, K - 1).cdf).statistic < 0.067


@pytest.mark.parametrize("t", [1e-3, 0.5, 1.0])
def test_a_posterior_and_its_score_give_each_other(t):
    path, x = Dirichlet(), Simplex().noise(torch.empty(50, 3, 5, dtype=F64), generator=gen())
    probs = torch.rand(50, 3, 5, generator=gen(1), dtype=F64).softmax(-1)
    t = torch.full((50,), t, dtype=F64)
    s = path.score(probs, x, t)
    assert s.sum(-1).abs().max() < 1e-9 * s.abs().max()
    torch.testing.assert_close(path.posterior(s, x, t), probs, rtol=1e-9, atol=1e-12)


def test_the_score_is_the_gradient_of_the_marginal():
    p, t = f64(0.5, 0.3, 0.2), f64(0.7)
    path, x = Dirichlet(), f64(0.2, 0.5, 0.3)[None].requires_grad_()
    logits = p.log() + path.log_likelihood(x, t)
    (slope,) = torch.autograd.grad(logits.logsumexp(-1).sum(), x)
    found = path.score(logits.softmax(-1), x, t)
    torch.testing.assert_close(found, slope - slope.mean(-1, keepdim=True))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Incompatible, match=r"Simplex\(\)"):
        Dirichlet(Euclidean())
    with pytest.raises(InvalidInput, match="starts at uniform noise"):
        Dirichlet(Simplex(reference=Concrete(2.0)))
    with pytest.raises(InvalidInput, match="clock is 0"):
        Dirichlet(clock=0.0)
