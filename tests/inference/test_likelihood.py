import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

import pushforward as pf
from pushforward.core import Exact, Hutchinson, HutchPlusPlus, Incompatible, InvalidInput
from pushforward.inference import likelihood, log_prob, round_trip_error, sample_with_log_prob
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine
from pushforward.solvers import RK4, Dopri5, Euler, Heun, Tsit5
from pushforward.spaces import Euclidean

DATA = torch.tensor([[1.7, -0.1], [-2.3, 1.2], [0.0, 0.0]], dtype=torch.float64)
DENSITY = torch.tensor([-1.308257649, -2.260939687, -9.289992087], dtype=torch.float64)  # GMM-A at t = 1


def steps(n):
    return torch.linspace(1, 0, n + 1, dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Tanh(nn.Module):
    """A small network whose divergence has no short cut."""

    def __init__(self, d=3, width=5):
        super().__init__()
        self.a = nn.Parameter(normal(d, width, seed=1))
        self.b = nn.Parameter(normal(width, d, seed=2) / width)

    def forward(self, x, t, cond=None):
        return torch.tanh(x @ self.a + t[:, None]) @ self.b


@pytest.fixture(scope="module")
def mixture():
    return reference_mixture().along(Affine())


def test_is_reached_from_the_top():
    assert pf.log_prob is log_prob


@pytest.mark.parametrize(("solver", "times"), [(RK4(), None), (Dopri5(1e-7, 1e-7), [1.0, 0.0])])
def test_the_density_of_the_exact_mixture(mixture, solver, times):
    value = log_prob(mixture, DATA, solver=solver, times=times)
    torch.testing.assert_close(value, DENSITY, rtol=0, atol=1e-5)


def test_the_sheets_linear_field():
    a = torch.tensor([[0.5, 0.2], [0.0, -0.3]], dtype=torch.float64)
    value = log_prob(lambda x, t, cond: x @ a.T, torch.ones(1, 2, dtype=torch.float64), solver=RK4(), times=steps(50))
    assert value.item() == pytest.approx(-3.037430, abs=5e-7)  # cnf_likelihood, check (1)


def test_sampling_and_scoring_agree(mixture):
    x1, logp = sample_with_log_prob(mixture, normal(2, 2), solver=Tsit5(1e-7, 1e-7))
    torch.testing.assert_close(logp, mixture.log_prob(x1, torch.ones(2, dtype=torch.float64)), rtol=0, atol=1e-5)
    torch.testing.assert_close(logp, log_prob(mixture, x1, solver=Tsit5(1e-7, 1e-7)), rtol=0, atol=1e-5)


def test_the_grid_may_be_written_down_in_either_order():
    field = lambda x, t, cond: t[:, None] * torch.sin(x)
    down, up = (log_prob(field, DATA, solver=Heun(), times=times) for times in (steps(5), steps(5).flip(0)))
    assert torch.equal(down, up)


@pytest.mark.parametrize("solver", [RK4(), Dopri5(1e-8, 1e-8)])
def test_images_under_a_linear_gaussian_field(solver):
    # x_t = sqrt(c_t) z with c_t = 1 + 3 t per pixel: v = c'/(2c) x, and x_1 is normal with variance 4
    x = normal(3, 2, 3, 3)
    value = log_prob(lambda x, t, cond: (1.5 / (1 + 3 * t)).reshape(-1, 1, 1, 1) * x, x, solver=solver, times=steps(40))
    expected = Normal(torch.zeros((), dtype=torch.float64), 2.0).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-5)


def test_a_divergence_free_field_keeps_the_density():
    turn = lambda x, t, cond: torch.stack([-x[:, 1], x[:, 0]], 1)
    value = log_prob(turn, DATA, solver=RK4(), times=steps(40), divergence="hutchinson")
    torch.testing.assert_close(value, Euclidean().noise_log_prob(DATA), rtol=0, atol=1e-7)


def test_every_kind_of_source():
    shift = lambda x, t, cond: torch.ones_like(x)
    zero, one = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    expected = Euclidean().noise_log_prob(DATA - 1)
    for source in (
        None,
        Euclidean(),
        Independent(Normal(zero, one), 1),
        MultivariateNormal(zero, torch.eye(2).double()),
    ):
        value = log_prob(shift, DATA, source, solver=Euler(), times=[1.0, 0.0], space=Euclidean())
        torch.testing.assert_close(value, expected)
    # the mixture as a source: moving it rigidly moves its density
    value = log_prob(shift, DATA + 1, reference_mixture(), solver=Euler(), times=[1.0, 0.0])
    torch.testing.assert_close(value, DENSITY, rtol=0, atol=1e-8)


def test_density_integrates_to_one():
    net = Tanh(d=2)
    axis = torch.linspace(-7, 7, 57, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        mass = log_prob(net, points, solver=RK4(), times=steps(10)).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("solver", [RK4(), Dopri5(1e-6, 1e-6)])
def test_hutchinson_is_unbiased(solver):
    net, x = Tanh(), normal(1, 3)
    with torch.no_grad():
        exact = log_prob(net, x, solver=solver, times=steps(8))
        draws = log_prob(
            net, x.repeat(400, 1), solver=solver, times=steps(8), divergence="hutchinson",
            generator=torch.Generator().manual_seed(4),
        )  # fmt: skip
    assert draws.std() > 0
    assert (draws.mean() - exact).abs() < 3 * draws.std() / math.sqrt(400)


def test_more_probes_average_and_the_generator_decides():
    net, x = Tanh(), normal(200, 3)

    def estimate(divergence, seed):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return log_prob(net, x, solver=Heun(), times=steps(4), divergence=divergence, generator=generator)

    exact = estimate(Exact(), 0)
    one, many = ((estimate(Hutchinson(count), 1) - exact).square().mean() for count in (1, 16))
    assert 8 < one / many < 32  # the variance falls as 1 / count: 16, known to a factor of two from 200 rows
    assert torch.equal(estimate("hutchinson", 1), estimate(Hutchinson(), 1))
    assert not torch.equal(estimate("hutchinson", 1), estimate("hutchinson", 2))


@pytest.mark.parametrize("divergence", ["exact", "hutchinson"])
@pytest.mark.parametrize("solver", [RK4(), Tsit5(1e-8, 1e-8)])
def test_gradients_are_those_of_differences(solver, divergence):
    net, x = Tanh(), normal(4, 3).requires_grad_()

    def total(x):
        generator = torch.Generator().manual_seed(0)
        return log_prob(net, x, solver=solver, times=steps(4), divergence=divergence, generator=generator).sum()

    wishes = [x, *net.parameters()]
    got = torch.autograd.grad(total(x), wishes)
    eps = 1e-5
    for wish, gradient in zip(wishes, got, strict=True):
        direction = normal(*wish.shape, seed=9)
        with torch.no_grad():
            ends = []
            for sign in (1, -1):
                wish.add_(direction, alpha=sign * eps)
                ends.append(total(x))
                wish.sub_(direction, alpha=sign * eps)
        slope = (ends[0] - ends[1]) / (2 * eps)
        # differences err by eps^2; an adaptive solver's by tolerance / eps besides
        assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4, abs=2e-4)


@pytest.mark.parametrize("divergence", ["exact", Hutchinson(2)])
def test_rows_and_their_conditions_stay_together_when_rows_leave(divergence):
    rate = torch.tensor([0.1, 4.0, 1.0, 2.0], dtype=torch.float64)
    field = lambda x, t, cond: cond["rate"][:, None] * torch.sin(3 * x + t[:, None])
    x, times = normal(4, 2), [1.0, 0.0]
    together = log_prob(field, x, solver=Tsit5(), times=times, divergence=divergence, cond={"rate": rate})
    fine = log_prob(field, x, solver=RK4(), times=steps(40), divergence=divergence, cond={"rate": rate})
    # the field is diagonal, where Rademacher probes are exact: 10 tolerances, stretched by the flow's own divergence
    torch.testing.assert_close(together, fine, rtol=0, atol=2e-3)


def test_float32_stays_float32():
    value = log_prob(lambda x, t, cond: 0.3 * x, torch.zeros(2, 2), solver=RK4(), times=[1.0, 0.0])
    assert value.dtype == torch.float32


def test_what_makes_no_sense_is_refused():
    field, x, times = lambda x, t, cond: x, torch.zeros(3, 2), [1.0, 0.0]
    with pytest.raises(InvalidInput, match=r"gave shape \[3, 2\] for x \[3, 2\], expected \[3\].*Independent"):
        log_prob(field, x, Normal(torch.zeros(2), 1.0), solver=RK4(), times=times)
    with pytest.raises(InvalidInput, match="source object has no log_prob"):
        log_prob(field, x, object(), solver=RK4())
    with pytest.raises(InvalidInput, match="unknown divergence 'exat'; did you mean exact"):
        log_prob(field, x, solver=RK4(), divergence="exat")
    with pytest.raises(InvalidInput, match=r"divergence is .*HutchPlusPlus.*, expected exact, hutchinson, or a part"):
        log_prob(field, x, solver=RK4(), divergence=HutchPlusPlus)  # without its brackets

    class Wheel:
        def move(self, x, u, dt, *, generator=None):
            return x

        def noise(self, like, *, generator=None):
            return like

    with pytest.raises(Incompatible, match="Wheel does not know its volume"):
        log_prob(field, x, solver=RK4(), space=Wheel())


@pytest.mark.parametrize("solver", [RK4(), Dopri5()])
@pytest.mark.parametrize("divergence", ["exact", "hutchinson", HutchPlusPlus()], ids=str)
def test_no_rows_have_no_densities(solver, divergence):
    x = torch.ones(0, 2, 3)
    field = lambda x, t, cond: -x
    assert log_prob(field, x, solver=solver, times=[0.0, 1.0], divergence=divergence).shape == (0,)
    assert round_trip_error(field, x, solver=solver, times=[0.0, 1.0]).shape == (0,)


@pytest.mark.parametrize("divergence", [Hutchinson(16), Hutchinson(16, gaussian=True), HutchPlusPlus(1, 16)], ids=repr)
def test_the_standard_error_is_that_of_the_estimate(divergence):
    """t = error / standard error of 16 probes has variance 15 / 13; of 400 rows 3 of them pass 3 standard errors."""
    net, x = Tanh(d=4), normal(400, 4)
    with torch.no_grad():
        exact = likelihood(net, x, solver=RK4(), times=steps(6))
        found = likelihood(
            net, x, solver=RK4(), times=steps(6), divergence=divergence, generator=torch.Generator().manual_seed(2)
        )
    assert torch.equal(exact.standard_error, torch.zeros(400, dtype=torch.float64))
    score = (found.log_prob - exact.log_prob) / found.standard_error
    # the mean of a row's probes is only nearly normal: signs in four dimensions take eight values
    assert (score.abs() > 3).double().mean() < 0.03
    assert 0.7 < score.square().mean() < 1.7
    assert found.nfe == exact.nfe == 24


@pytest.mark.parametrize("solver", [RK4(), Tsit5(1e-9, 1e-9)])
def test_a_sketch_of_all_coordinates_is_the_exact_density(solver):
    net, x = Tanh(d=3), normal(5, 3)
    exact = log_prob(net, x, solver=solver, times=steps(8))
    found = likelihood(net, x, solver=solver, times=steps(8), divergence=HutchPlusPlus(3, 2))
    torch.testing.assert_close(found.log_prob, exact, rtol=0, atol=1e-7)
    assert (found.standard_error < 1e-7).all()


def test_one_probe_says_nothing_of_its_error():
    found = likelihood(Tanh(), normal(2, 3), solver=Heun(), times=steps(2), divergence="hutchinson")
    assert found.standard_error.isnan().all()
    whole = log_prob(Tanh(), normal(2, 3), solver=Heun(), times=steps(2))
    assert torch.equal(likelihood(Tanh(), normal(2, 3), solver=Heun(), times=steps(2)).log_prob, whole)
