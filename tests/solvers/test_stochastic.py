"""What solvers of stochastic equations keep; a new one adds a line to the catalogue.

On a linear equation a step is linear in the state and in its noise, so its mean and covariance are propagated exactly
from its responses to unit vectors: orders are measured without a Monte-Carlo error.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from pushforward.core import Incompatible, Solver
from pushforward.fields import FlowSDE
from pushforward.metrics import wasserstein
from pushforward.oracles import GaussianMixture
from pushforward.oracles.moments import Moments
from pushforward.paths import Affine
from pushforward.solvers import SRA1, Euler, EulerMaruyama, Heun, Increment, Stochastic, StochasticHeun, Tableau, solve
from pushforward.solvers.runge_kutta import runge_kutta
from pushforward.spaces import Euclidean

RALSTON = Tableau(c=(0.0, 0.75), a=((), (0.75,)), b=(1 / 3, 2 / 3), order=2)


class Ralston:
    def step(self, dynamics, x, s, t, cond=None, *, carry=None, generator=None):
        return runge_kutta(RALSTON, dynamics, x, s, t, space=Euclidean(), cond=cond)


KINDS = {  # solver, weak order, what it is without noise
    "euler-maruyama": (EulerMaruyama, 1, Euler()),
    "heun": (StochasticHeun, 2, Heun()),
    "sra1": (SRA1, 2, Ralston()),
}
every = pytest.mark.parametrize(("kind", "order", "ode"), KINDS.values(), ids=KINDS)
ways = pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
LEVELS = (0.0, 0.1, 1.0, 5.0)


class Given:
    """A Brownian path whose increments were said beforehand."""

    def __init__(self, change, area):
        self.change, self.area = change, area

    def increment(self, x, s, t):
        return Increment(self.change, self.area)


def gaussian():
    """One tilted Gaussian; float64."""
    return GaussianMixture([[0.7, -1.2]], [[[0.5, 0.2], [0.2, 0.3]]], [1.0]).along(Affine())


def exact_moments(exact, t):
    at = Moments.at(exact.mixture, exact.path, torch.tensor([float(t)], dtype=torch.float64))
    return at.mean[0, 0], at.covariance[0, 0]


def grid(steps, reverse=False):
    times = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return times.flip(0) if reverse else times


def propagate(kind, sde, mean, covariance, times):
    """Mean and covariance that `kind` gives a linear equation, from its responses to unit states and unit noises."""
    d = len(mean)
    eye, zero = torch.eye(d, dtype=mean.dtype), torch.zeros(d, d, dtype=mean.dtype)
    x, change, area = (
        torch.cat([zero[:1], *parts]) for parts in ((eye, zero, zero), (zero, eye, zero), (zero, zero, eye))
    )
    solver = kind(brownian=Given(change, area))
    for s, t in itertools.pairwise(times):
        y = solver.step(sde, x, s.repeat(len(x)), t.repeat(len(x))).x
        shift, (state, push, bend) = y[0], (y[1:] - y[0]).reshape(3, d, d).mT
        h = (t - s).abs()
        mean = state @ mean + shift
        covariance = state @ covariance @ state.T + h * (push @ push.T + bend @ bend.T / 12)
    return mean, covariance


@every
def test_is_a_solver_and_a_frozen_value(kind, order, ode):
    assert isinstance(kind(), Solver)
    assert isinstance(kind(), Stochastic)
    assert not isinstance(ode, Stochastic)
    assert kind() == kind(None)
    with pytest.raises(AttributeError):
        kind().brownian = 1


@every
@ways
@pytest.mark.parametrize("eps", [0.7, lambda t: 0.2 + t * (1.5 - t)], ids=["constant", "varying"])
def test_weak_order_on_a_linear_equation(kind, order, ode, reverse, eps):
    exact = gaussian()
    sde, start, stop = FlowSDE(exact, eps), *(exact_moments(exact, t) for t in ((1, 0) if reverse else (0, 1)))
    errors = []
    for steps in (64, 128):
        mean, covariance = propagate(kind, sde, *start, grid(steps, reverse))
        errors.append(torch.cat([(mean - stop[0])[None], covariance - stop[1]]).abs().amax(1))
    errors = torch.stack(errors)
    total = errors.amax(1)
    # the ratio of halved steps is 2^order (1 + O(h)), and h times the greatest rate of the drift is 1/10 here
    assert math.log2(total[0] / total[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(
    ("kind", "order"), [(EulerMaruyama, 1), (StochasticHeun, 1), (SRA1, 2)], ids=["euler-maruyama", "heun", "sra1"]
)
def test_strong_order_on_a_linear_equation(kind, order):
    """Root mean square of y - x at the end, for the exact x on the same Brownian path: all Gaussian, in closed form.

    What leaves SRA1 at order 1.5 is b'', which a linear drift does not have; `test_brownian_path` has it.
    Over a step x gains n = g int e^(b (h - r)) dW_r, which has covariances with Delta W and H = int (1/2 - r/h) dW_r.
    """
    level, b = 0.5, -1.7
    g, sde = (2 * level) ** 0.5, FlowSDE(lambda x, t, cond: -1.3 * x, level, lambda x, t, cond: -0.8 * x)

    def error(steps):
        h, zero = 1 / steps, torch.zeros(3, dtype=torch.float64)
        change, area = zero.clone(), zero.clone()
        change[1] = area[2] = 1.0
        x = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)[:, None]
        rate, push, bend = kind(Given(change[:, None], area[:, None])).step(sde, x, zero, zero + h).x[:, 0].tolist()
        grow = math.exp(b * h)
        own = g * g * math.expm1(2 * b * h) / (2 * b)
        along = g * math.expm1(b * h) / b, g * (grow / b - math.expm1(b * h) * (1 / (b * b * h) + 1 / (2 * b)))
        shared = push * along[0] + bend * along[1]
        lost = push * push * h + bend * bend * h / 12 + own - 2 * shared
        noise = torch.tensor([[own, shared - own], [shared - own, lost]], dtype=torch.float64)  # of (x, y - x)
        move = torch.tensor([[grow, 0.0], [rate - grow, rate]], dtype=torch.float64)
        second = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)  # second moments
        for _ in range(steps):
            second = move @ second @ move.T + noise
        return float(second[1, 1]) ** 0.5

    assert math.log2(error(512) / error(1024)) == pytest.approx(order, abs=0.02)


@every
def test_weak_order_of_one_step_on_the_mixture(kind, order, ode):
    """E phi after a step from the exact law at s, by quadrature over state and noise: the error is h^(order + 1)."""
    mixture = GaussianMixture([[-1.0], [1.5]], [[[0.3]], [[0.5]]], [0.4, 0.6])
    exact, s = mixture.along(Affine()), 0.4
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(40))
    weights = weights / weights.sum()
    x = torch.linspace(-9, 9, 1501, dtype=torch.float64)  # the trapezoidal rule is exact to rounding on such laws
    mass = exact.log_prob(x[:, None], s).exp() * (x[1] - x[0])
    areas = torch.tensor([-(3**0.5), 0.0, 3**0.5], dtype=torch.float64)  # three nodes: enough for what h^2 can see
    x_, z, a = (p.flatten()[:, None] for p in torch.meshgrid(x, nodes, areas, indexing="ij"))
    w = (mass[:, None, None] * weights[:, None] * torch.tensor([1 / 6, 2 / 3, 1 / 6]).double()).flatten()
    tests = (torch.square, torch.cos, lambda x: torch.sin(2 * x))
    errors = []
    for h in (0.04, 0.02):
        solver = kind(brownian=Given(h**0.5 * z, (h / 12) ** 0.5 * a))
        at = torch.full((len(x_),), s, dtype=torch.float64)
        y = solver.step(FlowSDE(exact, 1.0), x_, at, at + h).x
        truth = exact.log_prob(x[:, None], s + h).exp() * (x[1] - x[0])
        errors.append([float((w * f(y[:, 0])).sum() - (truth * f(x)).sum()) for f in tests])
    for coarse, fine in zip(*errors, strict=True):
        assert math.log2(abs(coarse / fine)) > order + 1 - 0.3


@every
@ways
def test_without_noise_it_is_the_solver_of_the_flow(kind, order, ode, reverse, request):
    mixture, starts = (request.getfixturevalue(name) for name in ("mixture", "starts"))
    times = grid(20, reverse)
    flow, noisy = solve(mixture, starts, times, solver=ode), solve(FlowSDE(mixture, 0.0), starts, times, solver=kind())
    torch.testing.assert_close(noisy.x, flow.x, rtol=1e-13, atol=1e-13)
    vanishing = solve(FlowSDE(mixture, lambda t: 0 * t), starts, times, solver=kind())
    assert torch.equal(vanishing.x, noisy.x)
    assert noisy.nfe == flow.nfe
    if kind is EulerMaruyama:
        assert torch.equal(noisy.x, flow.x)


@pytest.fixture(scope="module")
def fresh(mixture):
    """At both ends fresh batches of 400 rows, the distances between two of them, and many rows."""
    generator, found = torch.Generator().manual_seed(11), {}
    for t in (0.0, 1.0):
        few = [mixture.sample(400, t, generator=generator) for _ in range(12)]
        floor = torch.tensor([wasserstein(a, b) for a, b in zip(few[::2], few[1::2], strict=True)])
        found[t] = few, floor, mixture.sample(200_000, t, generator=generator)
    return found


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def arrived(request, mixture):
    """1200 rows at both ends after 200 steps from the other, at every level of noise: all of them in one batch."""
    (kind, order, _), n, levels = request.param, 1200, torch.tensor(LEVELS, dtype=torch.float64)
    generator = torch.Generator().manual_seed(12)
    starts = [mixture.sample(n * len(LEVELS), t, generator=generator) for t in (0.0, 1.0)]
    times = torch.stack([grid(200), grid(200, reverse=True)], 1).repeat_interleave(n * len(LEVELS), 1)
    sde = FlowSDE(mixture, lambda t: levels.repeat_interleave(n).repeat(2))
    x = solve(sde, torch.cat(starts), times, solver=kind(), generator=generator).x
    return order, dict(zip(itertools.product((1.0, 0.0), LEVELS), x.split(n), strict=True))


ends = pytest.mark.parametrize("end", [1.0, 0.0], ids=["forwards", "backwards"])


@ends
@pytest.mark.parametrize("eps", LEVELS)
def test_the_marginals_stay(arrived, fresh, end, eps):
    few, floor, _ = fresh[end]
    x = arrived[1][end, eps]
    distances = torch.tensor([wasserstein(x[400 * i : 400 * (i + 1)], few[i]) for i in range(3)])
    # as far apart as fresh batches are: the means of three and of six such distances, each with its error
    assert distances.mean() < floor.mean() + 3 * floor.std() * (1 / 3 + 1 / 6) ** 0.5


@ends
@pytest.mark.parametrize("eps", LEVELS)
def test_the_moments_stay(arrived, fresh, end, eps):
    """Sharper than distances: means of six functions, each within its own Monte-Carlo error, where the order is 2."""
    order, rows = arrived
    looks = lambda a, b: torch.stack([a, b, a * a, b * b, a * b, (2 * a).cos()])
    got, expected = looks(*rows[end, eps].T), looks(*fresh[end][2].T)
    error = (got.var(1) / got.shape[1] + expected.var(1) / expected.shape[1]).sqrt()
    # the bias of order 1 is h / 2 times the fastest rate, eps over the least variance, of the variance itself
    bias = 0.0 if order > 1 else 0.5 / 200 * (eps / 0.17 + 2) * expected.std(1)
    assert ((got.mean(1) - expected.mean(1)).abs() < 4 * error + bias).all()


def test_euler_maruyama_keeps_the_values_of_the_method_sheet():
    """N(0, 1) to N(0, 1), eps = a^2 (1 - t) / (2 t), where t in the denominator is not below the first step's end."""
    exact = GaussianMixture([[0.0]], [[[1.0]]], [1.0]).along(Affine())
    unit = torch.zeros(1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    for steps, a, value in [(10, 0.0, 0.7726), (10, 0.7, 0.9313), (10, 2**0.5, 1.012), (40, 0.0, 0.9377)]:
        eps = lambda t: a * a * (1 - t) / (2 * t.clamp_min(1 / steps))  # noqa: B023
        _, variance = propagate(EulerMaruyama, FlowSDE(exact, eps), *unit, grid(steps))
        assert variance.item() == pytest.approx(value, abs=6e-4 if value > 1 else 6e-5)


@ways
def test_the_law_of_a_step_is_that_of_its_samples(reverse, mixture):
    n, (s, t) = 40_000, ((0.6, 0.5) if reverse else (0.5, 0.6))
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64).repeat(n, 1)
    times = [torch.full((n,), r, dtype=torch.float64) for r in (s, t)]
    sde, generator = FlowSDE(mixture, lambda t: 0.3 + t), torch.Generator().manual_seed(5)
    step = EulerMaruyama().step(sde, x, *times, generator=generator)
    assert torch.equal(step.law.mean, EulerMaruyama().law(sde, x, *times).mean)
    expected = torch.full((n,), math.sqrt(2 * (0.3 + s) * 0.1), dtype=torch.float64)
    torch.testing.assert_close(step.law.std, expected)
    z = (step.x - step.law.mean) / expected[:, None]
    covariance = torch.cov(z.T)
    assert (z.mean(0).abs() < 4 / n**0.5).all()
    assert (
        (covariance - torch.eye(2).double()).abs() < 4 * torch.tensor([[2.0, 1.0], [1.0, 2.0]]).sqrt() / n**0.5
    ).all()
    entropy = 1 + math.log(2 * math.pi) + 2 * math.log(float(expected[0]))
    assert abs(step.law.log_prob(step.x).mean() + entropy) < 4 / n**0.5  # the variance of |z|^2 / 2 is 1 here


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_states_keep_their_dtype(kind, order, ode, dtype):
    sde = FlowSDE(lambda x, t, cond: -x, eps=lambda t: 1 - t, score=lambda x, t, cond: -x)
    x = torch.ones(3, 2, 2, dtype=dtype)
    y = solve(sde, x, [0.0, 0.5, 1.0], solver=kind(), generator=torch.Generator().manual_seed(0)).x
    assert y.dtype == dtype
    assert y.isfinite().all()


@every
def test_a_mapping_is_its_leaves_side_by_side(kind, order, ode):
    generator = torch.Generator().manual_seed(2)
    x, change, area = torch.randn(3, 4, 3, generator=generator, dtype=torch.float64)
    parts = lambda x: {"a": x[:, 0], "b": x[:, 1:].reshape(4, 2, 1)}
    whole = lambda x: torch.cat([x["a"][:, None], x["b"][..., 0]], 1)
    turn = lambda x, t, cond: torch.sin(x.roll(1, 1)) + t[:, None]
    sde, split = FlowSDE(turn, 0.5, turn), lambda x, t, cond: parts(turn(whole(x), t, cond))
    s, t = torch.zeros(4).double(), torch.tensor([0.1, -0.1, 0.2, 0.0]).double()
    expected = kind(Given(change, area)).step(sde, x, s, t).x
    got = kind(Given(parts(change), parts(area))).step(FlowSDE(split, 0.5, split), parts(x), s, t).x
    torch.testing.assert_close(whole(got), expected)


@every
def test_every_row_has_its_own_times(kind, order, ode, mixture, starts):
    generator = torch.Generator().manual_seed(4)
    change, area = torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)
    s = torch.tensor([0.0, 1.0, 0.2, 0.5, 0.9, 0.3], dtype=torch.float64)
    t = torch.tensor([0.1, 0.8, 0.7, 0.6, 0.1, 0.4], dtype=torch.float64)  # both directions
    sde = FlowSDE(mixture, lambda t: 0.1 + t)
    together = kind(Given(change, area)).step(sde, starts, s, t).x
    for i in range(6):
        row = slice(i, i + 1)
        alone = kind(Given(change[row], area[row])).step(sde, starts[row], s[row], t[row]).x
        torch.testing.assert_close(alone, together[row], rtol=1e-13, atol=1e-13)


@every
def test_the_same_generator_gives_the_same_answer(kind, order, ode, mixture, starts):
    run = lambda seed: (
        solve(FlowSDE(mixture), starts, grid(5), solver=kind(), generator=torch.Generator().manual_seed(seed)).x
    )
    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


@every
def test_gradients_pass_through_a_step(kind, order, ode, starts):
    x, level = starts.clone().requires_grad_(), torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    noise = Given(torch.ones(6, 2).double(), torch.ones(6, 2).double())
    field = lambda x, t, cond: torch.sin(x)

    def arrive(x, level):
        sde = FlowSDE(field, lambda t: level * (1 + t), lambda x, t, cond: -x)
        return kind(noise).step(sde, x, torch.zeros(6).double(), torch.full((6,), 0.3).double()).x

    assert torch.autograd.gradcheck(arrive, (x, level))


@every
def test_refuses_dynamics_without_noise(kind, order, ode, mixture, starts):
    with pytest.raises(Incompatible, match=rf"{kind.__name__} follows a stochastic equation, got Along without diff"):
        solve(mixture, starts, grid(2), solver=kind())
