"""The schedule of least energy: its limits, the sheet's two-point example, and digits."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.paths import CondOT, Cosine, KineticOptimal, data_separation
from pushforward.paths.schedules import Invertible

F64 = torch.float64
close = torch.testing.assert_close


def two_points(rho):
    """lambda of the data {-1, +1}: E tanh^2(rho^2 + rho z), by the trapezoid rule, exact to rounding."""
    z = torch.linspace(-12, 12, 4001, dtype=F64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    sure = torch.tanh(rho[:, None] ** 2 + rho[:, None] * z)
    return 1 - ((1 - sure.square()) * density).sum(1)


def energy(schedule, separation, n=4000):
    """The definition, by Gauss-Legendre in 10 pieces of time of growing length, as the optimum starts fast."""
    nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(n // 10))
    edges = torch.cat([torch.zeros(1, dtype=F64), torch.logspace(-6, 0, 10, dtype=F64)])
    total = 0.0
    for low, high in pairwise(edges):
        t = low + (high - low) * (nodes + 1) / 2
        c = schedule(t)
        g = 1 - (1 - separation(c.alpha / c.sigma)) * (1 + (c.alpha / c.sigma) ** 2)
        # sheet: a'^2 + s'^2 - (W / s)^2 (1 - lambda) = r'^2 + (W / r)^2 g, the form that does not cancel near t = 1
        square = c.alpha**2 + c.sigma**2
        radial = (c.alpha * c.d_alpha + c.sigma * c.d_sigma) ** 2 / square
        total += float((weights * (high - low) / 2 * (radial + c.wronskian**2 / square * g)).sum())
    return total


@pytest.fixture(scope="module")
def two():
    return KineticOptimal.of_separation(two_points, nodes=2049, floor=1e-14)


def test_two_points(two):
    """The sheet's numbers, whose last digit is off by one or two: see the next test."""
    assert two.energy == pytest.approx(0.459118, abs=2e-6)
    assert two.cond_ot_energy == pytest.approx(0.982398, abs=2e-6)
    assert math.acos(1 - two.energy / 2) == pytest.approx(0.691263, abs=2e-6)
    c = two(torch.tensor([0.25, 0.5, 0.75], dtype=F64))
    close(c.alpha, torch.tensor([0.807138, 0.884796, 0.942610], dtype=F64), rtol=0, atol=2e-6)
    close(c.sigma, torch.tensor([0.512293, 0.319932, 0.159379], dtype=F64), rtol=0, atol=2e-6)


def test_energies_by_quadrature_in_angle(two):
    """Gauss-Legendre needs no table.

    Linear interpolation of h = sqrt(g) in cells of size c changes int h by c^2/12 [h'] = 0, as h' is 0 at both ends,
    and int h^2 by c^2/6 int h'^2, where int h'^2 = 1.21.
    """
    nodes, weights = (torch.tensor(v) * math.pi / 4 for v in np.polynomial.legendre.leggauss(400))
    theta = nodes + math.pi / 4
    g = 1 - (1 - two_points(theta.tan())) / theta.cos() ** 2
    whole, area = float((weights * g.clamp_min(0).sqrt()).sum()), float((weights * g).sum())
    cell = math.pi / 2 / 2048
    assert two.energy == pytest.approx(2 - 2 * math.cos(whole), abs=cell**2 / 12)
    assert two.cond_ot_energy == pytest.approx(2 - math.pi / 2 + area, abs=cell**2 / 6 * 1.3)
    assert energy(Cosine(), two_points) == pytest.approx(math.pi / 2 * area, abs=1e-9)
    assert energy(CondOT(), two_points) == pytest.approx(2 - math.pi / 2 + area, abs=1e-9)


def test_the_energy_it_reports_is_the_energy_it_has(two):
    """By quadrature in time of the definition, whose g is not the table's: they differ by the square of a cell."""
    assert energy(two, two_points) == pytest.approx(two.energy, abs=(math.pi / 2 / 2048) ** 2)


def test_known_points_go_straight():
    """lambda = 1: g = 1, Phi = pi / 2, and the schedule is CondOT."""
    schedule, t = KineticOptimal.of_separation(torch.ones_like, nodes=5), torch.linspace(0, 1, 33, dtype=F64)
    for found, exact in zip(schedule(t), CondOT()(t), strict=True):
        close(found, exact, rtol=0, atol=1e-14)
    assert schedule.energy == pytest.approx(2)
    assert schedule.cond_ot_energy == pytest.approx(2)


def test_gaussian_data_need_no_energy():
    """lambda = rho^2 / (1 + rho^2): g = 0, but for the floor, where Phi = (pi / 2) sqrt(floor) and b = Phi^2."""
    schedule = KineticOptimal.of_separation(lambda rho: rho**2 / (1 + rho**2), floor=1e-6)
    assert schedule.energy == pytest.approx((math.pi / 2) ** 2 * 1e-6, rel=1e-3)
    assert schedule.cond_ot_energy == pytest.approx(2 - math.pi / 2, abs=1e-5)


def test_separation_of_two_points_from_data():
    """Within 5 standard errors, which are at most 1 / (2 sqrt(draws)) for values in [0, 1]."""
    rho, n = torch.tensor([0.3, 1.0, 2.0], dtype=F64), 20_000
    data = torch.tensor([[-1.0], [1.0]])
    found = data_separation(data, rho, draws=n, generator=torch.Generator().manual_seed(0))
    close(found, two_points(rho), rtol=0, atol=5 / (2 * math.sqrt(n)))


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    x = torch.as_tensor(load_digits().data)
    x = x - x.mean(0)
    return x / x.square().mean().sqrt()


def test_digits_are_moved_with_no_more_energy_than_by_straight_lines(digits):
    """Also when judged by the definition, with other noise than the schedule was made from."""
    schedule = KineticOptimal.of(digits, nodes=65, draws=256, generator=torch.Generator().manual_seed(0))
    assert schedule.energy <= schedule.cond_ot_energy
    judge = KineticOptimal.of(digits, nodes=65, draws=256, generator=torch.Generator().manual_seed(1))

    def fresh(rho):
        theta = rho.atan()
        nodes = torch.linspace(0, math.pi / 2, 65, dtype=F64)
        cell = (theta / nodes[1]).long().clamp(0, 63)
        speed = torch.tensor(judge.speeds, dtype=F64)
        at = torch.lerp(speed[cell], speed[cell + 1], theta / nodes[1] - cell)
        return 1 - (1 - at.square()) * theta.cos().square()

    ours, straight = energy(schedule, fresh), energy(CondOT(), fresh)
    assert straight == pytest.approx(judge.cond_ot_energy, abs=1e-4)
    assert ours <= straight
    assert ours == pytest.approx(schedule.energy, rel=0.02)


def test_answers_repeat_and_travel(digits):
    some = digits[:100] - digits[:100].mean(0)
    some = (some / some.square().mean().sqrt()).reshape(100, 1, 8, 8)
    make = lambda seed: KineticOptimal.of(some, nodes=9, draws=32, generator=torch.Generator().manual_seed(seed))
    assert make(0) == make(0) != make(1)
    assert isinstance(make(0), Invertible)
    single = make(0)(torch.tensor([0.0, 0.3, 1.0]))
    assert all(c.dtype == torch.float32 for c in single)
    for a, b in zip(single, make(0)(torch.tensor([0.0, 0.3, 1.0], dtype=F64)), strict=True):
        close(a, b.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: KineticOptimal((1.0,)), "at least two speeds"),
        (lambda: KineticOptimal(()), "at least two speeds"),
        (lambda: KineticOptimal((0.0, 1.0)), r"at least two speeds in \(0, 1\], got 2 of 0 to 1"),
        (lambda: KineticOptimal((0.5, 1.5)), "at least two speeds"),
        (lambda: KineticOptimal.of(torch.ones(4, 2)), "squared mean of the data is 1"),
        (lambda: KineticOptimal.of(3 * torch.tensor([[-1.0], [1.0]])), "mean square 9"),
        (lambda: KineticOptimal.of(torch.ones(1, 2)), "at least two finite rows"),
        (lambda: KineticOptimal.of_separation(torch.ones_like, nodes=1), "nodes=1"),
        (lambda: KineticOptimal.of_separation(torch.ones_like, floor=0.0), "floor=0"),
        (lambda: KineticOptimal.of_separation(lambda rho: rho / 0), "all finite"),
    ],
)
def test_refusals(build, match):
    with pytest.raises(InvalidInput, match=match):
        build()
