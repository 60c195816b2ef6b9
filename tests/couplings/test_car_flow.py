"""CAR-Flow: the shifted field is the plain one in other coordinates, and why nothing but shifts is learned."""

import math

import pytest
import torch

from pushforward.core import Incompatible, InvalidInput, Pairs
from pushforward.couplings import CARFlow
from pushforward.objectives import FlowMatching
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, CondOT, Cosine, VariancePreserving
from pushforward.solvers import RK4, Euler, Heun, solve

MEANS, STD = torch.tensor([[-1.5], [0.4], [2.0]], dtype=torch.float64), 0.3
MU0, MU1 = torch.tensor([[0.7], [-0.2], [1.1]]).double(), torch.tensor([[-0.5], [0.9], [0.3]]).double()


def coupling_of(mu0=MU0, mu1=MU1, mode="joint"):
    """CARFlow with given shifts; the null condition stays unshifted."""
    coupling = CARFlow((1,), classes=len(mu0), mode=mode, width=len(mu0)).double()
    with torch.no_grad():
        coupling.embed.table.weight.copy_(torch.eye(len(mu0) + 1, len(mu0)).roll(1, 0))
        for head, shift in ((coupling.mu0, mu0), (coupling.mu1, mu1)):
            if head is not None:
                head.weight.copy_(shift.T)
    return coupling


def shifted_oracle(path, shifts):
    """The field of z for every class: the oracle of N(mu0, 1) -> N(m + mu1, s^2), by conditioning two Gaussians."""

    def field(z, t, cond):
        mu0, mu1 = (shift[cond] for shift in shifts)
        a, s, da, ds = (c[:, None] for c in path.coeffs(t))
        mean0, mean1 = mu0, MEANS[cond] + mu1
        variance = a**2 * STD**2 + s**2
        slope = (da * a * STD**2 + ds * s) / variance
        return da * mean1 + ds * mean0 + slope * (z - a * mean1 - s * mean0)

    return field


@pytest.mark.parametrize("schedule", [CondOT(), Cosine(), VariancePreserving()], ids=repr)
def test_the_view_of_the_exact_shifted_field_is_the_exact_field(schedule, gen):
    path, coupling = Affine(schedule), coupling_of()
    view = coupling.field(shifted_oracle(path, (MU0, MU1)), path)
    x, t = (
        torch.randn(300, 1, generator=gen, dtype=torch.float64),
        torch.rand(300, generator=gen).double() * 0.98 + 0.01,
    )
    for k in range(3):
        plain = GaussianMixture(MEANS[k : k + 1], torch.full((1, 1, 1), STD**2, dtype=torch.float64)).along(path)
        torch.testing.assert_close(view(x, t, torch.full((300,), k)), plain(x, t), rtol=1e-9, atol=1e-9)


def test_shifts_that_take_the_means_away_leave_one_field_for_all_classes(gen):
    path = Affine()
    field = shifted_oracle(path, (0 * MU0, -MEANS))
    x, t = torch.randn(50, 1, generator=gen, dtype=torch.float64), torch.rand(50, generator=gen).double()
    centred = GaussianMixture([[0.0]], [[[STD**2]]]).along(path)
    for k in range(3):
        torch.testing.assert_close(field(x, t, torch.full((50,), k)), centred(x, t), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", [Euler(), Heun(), RK4()], ids=repr)
def test_following_x_is_following_z_step_for_step_on_straight_paths(solver, gen):
    """The paper shifts the start, follows z, and subtracts mu1 at the end."""
    path, coupling = Affine(CondOT()), coupling_of()
    net = lambda z, t, cond: torch.sin(3 * z) + t[:, None] * cond[:, None]
    x0, cond = torch.randn(20, 1, generator=gen, dtype=torch.float64), torch.arange(20) % 3
    times = torch.linspace(0, 1, 6, dtype=torch.float64)
    x1 = solve(coupling.field(net, path), x0, times, solver=solver, cond=cond).x
    z1 = solve(net, x0 + MU0[cond], times, solver=solver, cond=cond).x
    torch.testing.assert_close(x1, z1 - MU1[cond], rtol=1e-12, atol=1e-12)


def test_source_and_target_shifts_are_not_the_same():
    x = torch.zeros(3, 1, dtype=torch.float64)
    label = torch.arange(3)
    source, target = coupling_of(mode="source"), coupling_of(mode="target")
    assert source.mu1 is None
    assert target.mu0 is None
    assert source(x, x, label).x0.equal(MU0)
    assert source(x, x, label).x1.equal(x)
    assert target(x, x, label).x0.equal(x)
    assert target(x, x, label).x1.equal(MU1)
    still = lambda z, t, cond=None: torch.zeros_like(z)
    t = torch.full((3,), 0.25, dtype=torch.float64)
    assert source.field(still, Affine())(x, t, label).equal(MU0)  # -sigma' mu0
    assert target.field(still, Affine())(x, t, label).equal(-MU1)  # -alpha' mu1


def test_the_least_loss_does_not_depend_on_the_shifts(gen):
    """Var(dz | z_t) is what a perfect network is left with; the same draws give it for any shifts, row by row."""
    path, rows = Affine(), 4000
    x0 = torch.randn(rows, 1, generator=gen, dtype=torch.float64)
    label = torch.randint(0, 3, (rows,), generator=gen)
    x1 = MEANS[label] + STD * torch.randn(rows, 1, generator=gen, dtype=torch.float64)
    losses = []
    for mu0, mu1 in ((0 * MU0, 0 * MU1), (MU0, MU1), (5 * MU0, 0 * MU1)):
        pairs = coupling_of(mu0, mu1)(x0, x1, label)
        oracle = shifted_oracle(path, (mu0, mu1))
        losses.append(FlowMatching(path)(oracle, pairs, generator=torch.Generator().manual_seed(3)).value)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-10, atol=0)
    torch.testing.assert_close(losses[2], losses[0], rtol=1e-10, atol=0)


A, K, LARGE = 0.8, -1.7, 1e7
COLLAPSES = {
    "source to a constant": (lambda x0: 0 * x0 + A, lambda x1: x1, lambda z, t: (z - A) / t),
    "target to a constant": (lambda x0: x0, lambda x1: 0 * x1 + A, lambda z, t: (A - z) / (1 - t)),
    "both to constants": (lambda x0: 0 * x0 + A, lambda x1: 0 * x1 + K * A, lambda z, t: 0 * z + (K - 1) * A),
    "source scale grows": (lambda x0: LARGE * x0, lambda x1: x1, lambda z, t: -z / (1 - t)),
    "target scale grows": (lambda x0: x0, lambda x1: LARGE * x1, lambda z, t: z / t),
}


@pytest.mark.parametrize("name", COLLAPSES)
def test_maps_of_the_ends_would_collapse(name, gen):
    """The paper's table: each has a field of zero loss (relative to its motion) that generates nothing."""
    source, target, field = COLLAPSES[name]
    x0 = torch.randn(500, 1, generator=gen, dtype=torch.float64)
    x1 = 2 + 0.5 * torch.randn(500, 1, generator=gen, dtype=torch.float64)
    path, t = Affine(), torch.rand(500, generator=gen, dtype=torch.float64) * 0.8 + 0.1
    point = path.sample(Pairs((source(x0), target(x1))), t)
    motion = path.velocity(point)
    error = field(point.x, t[:, None]) - motion
    # what is left of the other end is of order 1 / LARGE beside the motion
    assert error.square().mean() < 1e-10 * motion.square().mean()


def test_dropped_conditions_are_shifted_as_null(gen):
    coupling = CARFlow((1,), classes=3, width=1, cond_drop=0.5)
    with torch.no_grad():
        coupling.embed.table.weight.copy_(torch.tensor([[9.0], [0.0], [1.0], [2.0]]))  # row 0 is null
        coupling.mu0.weight.fill_(1.0)
    pairs = coupling(torch.zeros(4000, 1), torch.zeros(4000, 1), torch.arange(4000) % 3, generator=gen)
    null = pairs.cond == -1
    assert (pairs.x0[null] == 9).all()
    assert pairs.x0[~null, 0].equal(pairs.cond[~null].float())
    assert abs(null.double().mean() - 0.5) < 4 * math.sqrt(0.25 / 4000)


def test_vectors_shift_by_an_affine_map(gen):
    coupling = CARFlow((2,), features=3)
    with torch.no_grad():
        coupling.mu1.weight.normal_(generator=gen)
    a, b = torch.randn(2, 5, 3, generator=gen)
    shift = lambda c: coupling(torch.zeros(5, 2), torch.zeros(5, 2), c).x1
    torch.testing.assert_close(shift(0.3 * a + 0.7 * b), 0.3 * shift(a) + 0.7 * shift(b))


def test_senseless_parts_are_refused():
    with pytest.raises(Incompatible, match="these data have none"):
        CARFlow((2,))
    with pytest.raises(InvalidInput, match="cond_drop"):
        CARFlow((2,), classes=2, cond_drop=2.0)

    with pytest.raises(Incompatible, match="alpha and sigma, got NoneType"):
        CARFlow((2,), classes=2).check(None)
