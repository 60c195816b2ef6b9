"""Densities through every head, against the exact mixture."""

import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput
from pushforward.fields import Endpoint, NetField, Noise, Score, Velocity
from pushforward.inference import Extrapolated, log_prob
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, CondOT, Cosine, VariancePreserving
from pushforward.solvers import RK4

HEADS = [Velocity(), Endpoint(), Noise(), Score()]
DATA = torch.tensor([[1.7, -0.1], [-2.3, 1.2], [1.0, -0.2]], dtype=torch.float64)


def grid(low, high):
    """60 steps of RK4: the error of order 4 is below 1e-6 in this test, and 16 times larger for 30."""
    return torch.linspace(low, high, 61, dtype=torch.float64)


class Says(nn.Module):
    """The exact answer to what a head asks."""

    def __init__(self, head, path):
        super().__init__()
        exact = reference_mixture().along(path)
        self.answer = {
            Velocity(): exact,
            Endpoint(): exact.endpoint,
            Noise(): exact.noise,
            Score(): exact.score,
        }[head]

    def forward(self, x, t, cond=None):
        return self.answer(x, t)


class At:
    """The mixture on the path at one time."""

    def __init__(self, path, time):
        self.exact, self.time = reference_mixture().along(path), time

    def log_prob(self, x):
        return self.exact.log_prob(x, self.time)


@pytest.mark.parametrize(
    ("head", "schedule"),
    [
        *((head, schedule) for head in HEADS for schedule in (CondOT(), VariancePreserving())),
        (Endpoint(), CondOT(0.05)),
        (Endpoint(), Cosine()),
    ],
    ids=repr,
)
def test_every_head_gives_the_density_at_the_end_of_its_span(head, schedule):
    """From the exact law where the span begins to the exact law where it ends; VP's derivative is held past 0.999."""
    path = Affine(schedule)
    field = NetField(Says(head, path), head, path)
    low, high = field.span[0], min(field.span[1], 0.999)
    with torch.no_grad():
        value = log_prob(field, DATA, At(path, low), solver=RK4(), times=grid(low, high))
    torch.testing.assert_close(value, At(path, high).log_prob(DATA), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("head", "schedule"), [(Noise(), CondOT()), (Score(), CondOT()), (Noise(), Cosine())], ids=repr
)
def test_the_source_reaches_the_beginning_of_the_span(head, schedule):
    """One step of s = 1e-3 errs by s^2 / 2 times the slope of div v + x0 . v in t, below 20; s itself is seen."""
    path = Affine(schedule)
    field = NetField(Says(head, path), head, path)
    low, high = field.span
    with torch.no_grad():
        value = log_prob(field, DATA, Extrapolated(field), solver=RK4(), times=grid(low, high))
    exact = At(path, high).log_prob(DATA)
    torch.testing.assert_close(value, exact, rtol=0, atol=1e-5)
    with torch.no_grad():
        plain = log_prob(field, DATA, solver=RK4(), times=grid(low, high))
    assert (plain - exact).abs().max() > 1e-3


def test_the_law_before_the_span_is_the_mixtures():
    path, x = Affine(), torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    field = NetField(Says(Noise(), path), Noise(), path)
    exact, s = At(path, 1e-3).log_prob(x), torch.tensor([1e-3], dtype=torch.float64)
    errors = (Extrapolated(field).log_prob(x) - exact).abs().max()
    assert 1e-6 < errors < 2e-5  # s^2 / 2 times a slope of 20
    assert (At(path, 0.0).log_prob(x / (1 - s)) - 2 * (1 - s).log() - exact).abs().max() > 1e-3  # sigma_s alone

    class Late:
        span = (0.3, 1.0)

    with pytest.raises(InvalidInput, match="the field's span starts at"):
        Extrapolated(Late())
