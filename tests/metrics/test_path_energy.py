import itertools
import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import path_energy

A = 0.7
X0 = torch.tensor([[1.0, 2.0], [-0.5, 0.0]], dtype=torch.float64)
EXACT = A * (math.exp(2 * A) - 1) / 2 * 5.25 / 2  # x_t = x0 e^{at}, mean |x0|^2 = 5.25 / 2


def growth(x, t, cond=None):
    return A * x


def test_linear_flow_and_its_order():
    errors = [path_energy(growth, X0, steps=k) - EXACT for k in (20, 40, 80)]
    assert abs(errors[-1]) < EXACT * A**2 / 80**2
    for coarse, fine in itertools.pairwise(errors):
        assert coarse / fine == pytest.approx(4, rel=0.05)  # second order


def test_gaussian_field(gaussian_field):
    # |mu|^2 + d + tr S - (pi / 2) tr S^{1/2}; rows with mean 0 and covariance I stand for the source, v being affine
    mu, root = (
        torch.tensor([1.0, -2.0], dtype=torch.float64),
        torch.tensor([[1.0, 0.4], [0.4, 0.6]], dtype=torch.float64),
    )
    S = root @ root
    x0 = 2**0.5 * torch.cat([torch.eye(2), -torch.eye(2)]).double()
    exact = float(mu.square().sum() + 2 + S.trace() - math.pi / 2 * root.trace())
    values = [path_energy(gaussian_field(mu, S), x0, steps=k) for k in (100, 200)]
    # Richardson: the error of the finer is a third of the difference, up to higher orders
    assert values[1] == pytest.approx(exact, abs=abs(values[1] - values[0]))


def test_saved_states():
    times = torch.linspace(0, 1, 201, dtype=torch.float64)
    xs = X0 * (A * times).exp()[:, None, None]
    value = path_energy(xs, times)
    assert 0 < EXACT - value < EXACT * (A / 200) ** 2  # chords: below, by (a h)^2 / 12 at most
    assert path_energy(xs.flip(0), times.flip(0)) == pytest.approx(value, rel=1e-12)
    assert path_energy(xs, times[:, None].repeat(1, 2)) == pytest.approx(value, rel=1e-12)
    assert path_energy({"a": xs[..., :1], "b": xs[..., 1:]}, times) == pytest.approx(value, rel=1e-12)
    assert path_energy(xs, 4 * times) == pytest.approx(value / 4, rel=1e-12)


def test_every_row_has_its_own_times():
    xs = torch.tensor([[[0.0], [0.0]], [[1.0], [1.0]], [[2.0], [2.0]]])
    times = torch.tensor([[0.0, 0.0], [0.5, 0.25], [1.0, 1.0]])
    assert path_energy(xs, times) == pytest.approx((4 + (4 + 4 / 3)) / 2)


def test_states_may_be_mappings_and_images():
    images = X0.reshape(2, 1, 2, 1)
    assert path_energy(growth, images, steps=7) == pytest.approx(path_energy(growth, X0, steps=7))

    def field(x, t, cond=None):
        return {name: A * leaf for name, leaf in x.items()}

    split = {"a": X0[:, :1], "b": X0[:, 1:]}
    assert path_energy(field, split, steps=7) == pytest.approx(path_energy(growth, X0, steps=7))


def test_condition_and_times_reach_the_field():
    seen = []

    def field(x, t, cond=None):
        seen.append(t)
        return cond

    value = path_energy(field, torch.zeros(3, 2), steps=4, cond=torch.full((3, 2), 2.0))
    assert value == pytest.approx(8)
    assert all(t.shape == (3,) for t in seen)
    assert [float(t[0]) for t in seen] == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (torch.zeros(4), r"states \[3, 2, 1\] with times \[4\]"),
        (torch.zeros(3, 4), r"with times \[3, 4\]"),
        ({"t": torch.zeros(3)}, "with times dict"),
        (torch.tensor([0.0, 0.0, 1.0]), "do not rise or fall strictly"),
        (torch.tensor([0.0, 1.0, 0.5]), "do not rise or fall strictly"),
    ],
)
def test_refuses_times(times, message):
    with pytest.raises(InvalidInput, match=message):
        path_energy(torch.zeros(3, 2, 1), times)


def test_refusals():
    with pytest.raises(InvalidInput, match="steps is 0"):
        path_energy(growth, X0, steps=0)
    blow_up = lambda x, t, cond=None: x / (x - 1) ** 1  # infinite at 1
    with pytest.raises(InvalidInput, match="path energy of 1 of 2 rows is not finite, first in row 1"):
        path_energy(blow_up, torch.tensor([[0.0], [1.0]]), steps=3)
