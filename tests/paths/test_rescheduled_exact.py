"""Change of schedule on the exact mixture field: the converted field is the other schedule's exact field."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pushforward.core import Incompatible
from pushforward.fields import Endpoint, NetField, Noise, Score, Velocity
from pushforward.fields.adapters import from_diffusers
from pushforward.objectives import FlowMatching
from pushforward.oracles import reference_mixture
from pushforward.paths import (
    Affine,
    CondOT,
    Cosine,
    LinearVP,
    Polynomial,
    Rescheduled,
    VarianceExploding,
    VariancePreserving,
)
from pushforward.solvers import RK4, solve

PAIRS = [
    (CondOT(), Cosine()),
    (CondOT(), VariancePreserving()),
    (Cosine(), CondOT()),
    (LinearVP(), Polynomial(3)),
    (VariancePreserving(), CondOT()),
]


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=repr)
def test_converted_field_is_the_exact_field_of_the_new_schedule(old, new):
    mixture, g = reference_mixture(), torch.Generator().manual_seed(0)
    x = 2 * torch.randn(200, 2, generator=g, dtype=torch.float64)
    r = 0.05 + 0.9 * torch.rand(200, generator=g, dtype=torch.float64)
    converted = Rescheduled(mixture.along(Affine(old)), old, new)
    torch.testing.assert_close(converted(x, r), mixture.along(Affine(new))(x, r), rtol=1e-9, atol=1e-9)


def test_a_schedule_changed_to_itself_is_the_field():
    mixture, x = reference_mixture(), torch.tensor([[0.5, -0.2]], dtype=torch.float64)
    r = torch.tensor([0.6], dtype=torch.float64)
    exact = mixture.along(Affine(CondOT()))
    torch.testing.assert_close(Rescheduled(exact, CondOT(), CondOT())(x, r), exact(x, r), rtol=1e-14, atol=1e-14)


def test_both_fields_end_at_the_same_samples():
    """RK4 on both schedules from the same source rows; the error of 400 steps is far below the tolerance."""
    mixture, g = reference_mixture(), torch.Generator().manual_seed(1)
    x0 = torch.randn(50, 2, generator=g, dtype=torch.float64)

    def follow(field, steps=400):
        x, h = x0, 1.0 / steps
        for k in range(steps):
            at = lambda offset, k=k: torch.full((50,), (k + offset) * h, dtype=torch.float64)
            a = field(x, at(0.0))
            b = field(x + h / 2 * a, at(0.5))
            c = field(x + h / 2 * b, at(0.5))
            d = field(x + h * c, at(1.0))
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
        return x

    straight = mixture.along(Affine(CondOT()))
    torch.testing.assert_close(follow(Rescheduled(straight, CondOT(), Cosine())), follow(straight), rtol=0, atol=1e-6)


class Short:
    span = (0.2, 0.9)

    def __call__(self, x, t, cond=None):
        return x


def test_the_times_of_a_field_move_with_their_signal_to_noise_ratio():
    low, high = Rescheduled(Short(), CondOT(), Cosine()).span
    ratio = torch.tensor([low, high]).mul(torch.pi / 2).tan()  # cosine: sin over cos
    torch.testing.assert_close(ratio, torch.tensor([0.2 / 0.8, 0.9 / 0.1]), rtol=1e-5, atol=0)
    assert Rescheduled(lambda x, t, cond=None: x, CondOT(), Cosine()).span == (0.0, 1.0)
    with pytest.raises(Incompatible, match="time_at_snr"):
        Rescheduled(Short(), CondOT(), CondOT().__call__)


# Diff2Flow: from the networks of diffusion models to the velocity of any affine path, and back


class Says(nn.Module):
    """A trained network: a function of state and time."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, t, cond=None):
        return self.answer(x, t)


def visited(path, low, high, n=300):
    """States of `path` and times between those at which its ratio is `low` and `high`."""
    g = torch.Generator().manual_seed(4)
    ends = path.schedule.time_at_snr(torch.tensor([low, high], dtype=torch.float64))
    t = torch.lerp(*ends, torch.rand(n, generator=g, dtype=torch.float64))
    return reference_mixture().along(path).sample(n, t, generator=g), t


@pytest.mark.parametrize("new", [CondOT(), Cosine(), Polynomial(2)], ids=repr)
@pytest.mark.parametrize("head", [Noise(), Endpoint(), Score(), Velocity()], ids=repr)
def test_a_diffusion_network_gives_the_exact_velocity_of_another_path(head, new):
    """VP, whatever its network says, at ratios that VP has (0.0066 and up)."""
    old, mixture = Affine(VariancePreserving()), reference_mixture()
    exact = mixture.along(old)
    answer = {Noise(): exact.noise, Endpoint(): exact.endpoint, Score(): exact.score, Velocity(): exact}[head]
    field = Rescheduled(NetField(Says(answer), head, old), old.schedule, new)
    x, r = visited(Affine(new), 0.01, 50.0)
    torch.testing.assert_close(field(x, r), mixture.along(Affine(new))(x, r), rtol=1e-9, atol=1e-9)


def test_an_edm_denoiser_gives_the_exact_velocity_of_another_path():
    """D(y; sigma) of y = x1 + sigma noise is the endpoint on a variance-exploding path, asked at its sigma_t."""
    old, mixture = Affine(VarianceExploding(0.002, 80.0)), reference_mixture()
    plain = mixture.along(Affine(VarianceExploding(0.001, 100.0)))
    when = lambda sigma: plain.path.schedule.time_at_snr(1 / sigma)
    denoiser = lambda y, sigma: plain.endpoint(y, when(sigma))
    net = Says(lambda x, t: denoiser(x, old.coeffs(t).sigma))
    for new in (CondOT(), VariancePreserving()):
        field = Rescheduled(NetField(net, Endpoint(), old), old.schedule, new)
        x, r = visited(Affine(new), 1 / 79, 100.0)
        torch.testing.assert_close(field(x, r), mixture.along(Affine(new))(x, r), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_network_of_discrete_timesteps_gives_the_exact_velocity_of_any_path(prediction):
    """Stable Diffusion's table; the network takes real timesteps, linear in the log ratio between whole ones."""
    bar = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
    table, circle = bar.logit() / 2, Affine(Cosine())
    exact = reference_mixture().along(circle)

    def network(sample, timestep):
        n = timestep.floor().long().clamp(max=998)
        t = Cosine().time_at_snr(torch.lerp(table[n], table[n + 1], timestep - n).exp())
        c, noise, data = circle.coeffs(t), exact.noise(sample, t), exact.endpoint(sample, t)
        v = c.alpha[:, None] * noise - c.sigma[:, None] * data
        return {"epsilon": noise, "v_prediction": v, "sample": data}[prediction]

    config = SimpleNamespace(prediction_type=prediction)
    straight = from_diffusers(network, SimpleNamespace(alphas_cumprod=bar, config=config))
    low, high = float(table[-1].exp()), float(table[0].exp())
    for new in (CondOT(), Cosine(), VariancePreserving(), Polynomial(3)):
        field = straight if new == CondOT() else Rescheduled(straight, CondOT(), new)
        x, r = visited(Affine(new), low, high)
        torch.testing.assert_close(field(x, r), reference_mixture().along(Affine(new))(x, r), rtol=1e-9, atol=1e-9)


def test_a_noise_predictor_sampled_on_straight_lines_arrives_where_the_exact_field_does():
    """And its change to CondOT and back again is what it was."""
    old, mixture = Affine(VariancePreserving()), reference_mixture()
    field = NetField(Says(mixture.along(old).noise), Noise(), old)
    straight = Rescheduled(field, old.schedule, CondOT())
    exact = mixture.along(Affine(CondOT()))
    x = exact.sample(50, 0.01, generator=torch.Generator().manual_seed(2))
    grid = torch.linspace(0.01, 0.999, 401, dtype=torch.float64)
    arrived = solve(straight, x, grid, solver=RK4()).x
    torch.testing.assert_close(arrived, solve(exact, x, grid, solver=RK4()).x, rtol=0, atol=1e-6)
    back = Rescheduled(straight, CondOT(), old.schedule)
    x, t = visited(old, 0.01, 50.0)
    torch.testing.assert_close(back(x, t), field(x, t), rtol=1e-9, atol=1e-9)


def test_a_converted_diffusion_network_is_fine_tuned_by_the_velocity_loss():
    """The exact velocity is stationary for the loss, so at a perfect predictor the gradient is noise, 0 in the mean."""
    old, mixture = Affine(VariancePreserving()), reference_mixture()
    noise = mixture.along(old).noise

    class Tuned(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(2, dtype=torch.float64))
            self.field = Rescheduled(
                NetField(Says(lambda x, t: noise(x, t) + self.shift), Noise(), old), old.schedule, CondOT()
            )

        def forward(self, x, t, cond=None):
            return self.field(x, t.clamp(min=0.05), cond)  # as alpha = 0 divides a noise predictor's error

    net, objective, slopes = Tuned(), FlowMatching(Affine(CondOT()), weight=lambda t: (t > 0.05).to(t)), []
    for k in range(100):
        g = torch.Generator().manual_seed(k)
        pairs = mixture.sample_pairs(500, generator=g)
        (slope,) = torch.autograd.grad(objective(net, pairs, generator=g).value, net.shift)
        slopes.append(slope)
    found = torch.stack(slopes)
    assert (found.abs().amax(0) > 0).all()
    assert (found.mean(0).abs() <= 5 * found.std(0) / 10).all()
