import math

import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.metrics import curvature, path_energy


@pytest.mark.parametrize(("s", "exact"), [(0.7, 0.300443), (2.0, 0.858407)])
def test_gaussian_on_the_line(s, exact, gaussian_field):
    # sheet `paths-couplings` 2: (2 - pi / 2) s; v is affine, so rows +-1 stand for N(0, 1)
    field = gaussian_field(torch.tensor([3.0]).double(), torch.tensor([[s * s]]).double())
    values = [curvature(field, torch.tensor([[1.0], [-1.0]]).double(), steps=k) for k in (100, 200)]
    assert exact == pytest.approx((2 - math.pi / 2) * s, abs=1e-6)
    # second order: the finer's error is a third of the difference; 1e-6 for the published digits
    assert values[1] == pytest.approx(exact, abs=abs(values[1] - values[0]) + 1e-6)


def test_gaussian_with_covariance(gaussian_field):
    root = torch.tensor([[1.0, 0.4], [0.4, 0.6]], dtype=torch.float64)
    field = gaussian_field(torch.tensor([1.0, -2.0]).double(), root @ root)
    x0 = 2**0.5 * torch.eye(2).double()
    values = [curvature(field, x0, steps=k) for k in (100, 200)]
    exact = (2 - math.pi / 2) * float(root.trace())
    assert values[1] == pytest.approx(exact, abs=abs(values[1] - values[0]))


def test_straight_flows_have_none(gen):
    x0 = torch.randn(20, 3, generator=gen, dtype=torch.float64)
    # the reflowed field between Gaussians: x_t = (1 + t (s - 1)) x0, v constant along it, and
    # the midpoint rule keeps to lines
    field = lambda x, t, cond=None: x * (1.5 / (1 + 1.5 * t))[:, None]
    for steps in (2, 20):
        assert curvature(field, x0, steps=steps) < 1e-28
    assert curvature(lambda x, t, cond=None: torch.ones_like(x), x0) == 0


def test_is_energy_minus_displacement(gen):
    xs, times = torch.randn(6, 5, 3, generator=gen).double(), torch.tensor([0.0, 0.1, 0.35, 0.4, 0.9, 1.0]).double()
    displacement = float((xs[-1] - xs[0]).square().sum(1).mean())
    assert curvature(xs, times) == pytest.approx(path_energy(xs, times) - displacement, rel=1e-12)
    assert curvature(xs.flip(0), times.flip(0)) == pytest.approx(curvature(xs, times), rel=1e-12)
    # run twice as long: velocities halve, time doubles
    assert curvature(xs, 2 * times) == pytest.approx(curvature(xs, times) / 2, rel=1e-12)


def test_nearly_straight_in_float32():
    # int (a sin 2 pi t)^2 = a^2 / 2 on top of |v|^2 = 1e4, whose rounding alone is 1e-3
    a = 0.01
    field = lambda x, t, cond=None: 100 + a * torch.sin(2 * math.pi * t)[:, None].expand_as(x)
    # every velocity is rounded to 100 * 2^-24 = 6e-6, a thousandth of the wave
    assert curvature(field, torch.zeros(4, 1), steps=50) == pytest.approx(a**2 / 2, rel=5e-3)


def test_refuses_one_step():
    with pytest.raises(InvalidInput, match="a single step is always straight"):
        curvature(lambda x, t, cond=None: x, torch.ones(1, 1), steps=1)
