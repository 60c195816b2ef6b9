"""The rules of flow maps at exact mean velocities, their limits, fixed points and biases.

Everything is float64; where a bound is not derived beside it, it is rounding times the size of a derivative.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pushforward.core import InvalidInput, Pairs, Point, align
from pushforward.fields import NetMap
from pushforward.nets import MLP, DiT, UNet
from pushforward.objectives import (
    AlignYourFlow,
    AlphaFlow,
    ConsistencyFM,
    ConsistencyTraining,
    FlowMapMatching,
    FlowMatching,
    MeanFlow,
    ModularMeanFlow,
    ReMeanFlow,
    Shortcut,
    SplitMeanFlow,
    UShaped,
)
from pushforward.objectives.flow_maps import (
    Chord,
    Compose,
    Conditional,
    Dyadic,
    Guided,
    Lagrange,
    Local,
    Residual,
    Segment,
    SortedPair,
    StartAndGap,
    Tangent,
    Teacher,
    ToEnd,
    UniformStart,
)
from pushforward.oracles import GaussianMixture
from pushforward.paths import Affine, Cosine
from pushforward.solvers import RK4, Euler, Integrated, solve

F64 = torch.float64
MU, TAU = 1.0, 0.5


def gaussian(tau=TAU):
    return GaussianMixture([[MU]], [[[tau**2]]]).along(Affine())


def modes():
    return GaussianMixture([[-1.0], [2.0]], [[[0.04]], [[0.04]]], [0.3, 0.7]).along(Affine())


def plane():
    return GaussianMixture([[1.0, -0.5]], [[[0.5, 0.3], [0.3, 0.4]]])


def times(*values):
    return torch.tensor(values, dtype=F64)


class Mean:
    """The mean velocity of a field as a network of two times, by a flow map."""

    def __init__(self, field, flow_map):
        self.field, self.flow_map = field, flow_map

    def __call__(self, x, times, cond=None):
        s, t = times.unbind(1)
        still = s == t
        gap = align(torch.where(still, 1.0, t - s), x)
        mean = (self.flow_map(x, s, t) - x) / gap
        return torch.where(align(still, x), self.field(x, t), mean)


def exact(field):
    return Mean(field, field.flow_map)


def integrated(field, solver, steps):
    return Mean(field, Integrated(field, solver, steps))


def local_of(net, field, x, s, t, v=None):  # noqa: PLR0917
    """What a rule sees where the velocity is the field's own."""
    return Local(NetMap(net), x, s, t, None, field(x, s) if v is None else v, lambda x, t, cond=None: field(x, t))


def draws(b, d=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(b, d, generator=g, dtype=F64)
    a, c = torch.rand(2, b, generator=g, dtype=F64)
    return x, torch.minimum(a, c), torch.maximum(a, c)


def net_of(d=2, seed=0):
    torch.manual_seed(seed)
    return MLP((d,), times=2, activation="silu").double()


def pairs_of(b=64, d=2, seed=1):
    g = torch.Generator().manual_seed(seed)
    return Pairs(tuple(torch.randn(b, d, generator=g, dtype=F64) for _ in range(2)))


def gradient(loss, net):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])


# ---------------------------------------------------------------------------------------------- golden numbers


def test_golden_numbers_of_one_gaussian():
    field, net = gaussian(), exact(gaussian())
    x, s, t = times(0.3)[:, None], times(0.25), times(0.75)
    local = local_of(net, field, x, s, t)
    assert float(local.v) == pytest.approx(0.940540541, abs=1e-9)
    assert float(local.mean(x, s, t)) == pytest.approx(0.959274898, abs=1e-9)
    assert float(NetMap(net)(x, s, t)) == pytest.approx(0.779637449, abs=1e-9)
    assert float(Tangent().slope(local)[1]) == pytest.approx(0.037468715, abs=1e-9)
    first = NetMap(net).mean_velocity(x, times(0.0), times(1.0))
    assert float(first) == pytest.approx(0.85, abs=1e-12)
    assert float(Compose(0.5, own=False)(local).value) == pytest.approx(0.956653703, abs=1e-9)
    assert float(Compose(0.5)(local).value) == pytest.approx(0.959274898, abs=1e-9)


def test_golden_numbers_of_two_modes():
    field = modes()
    net, x, s, t = integrated(field, RK4(), 128), times(0.1)[:, None], times(0.3), times(0.9)
    assert float(field(x, s)) == pytest.approx(1.337677403, abs=1e-9)
    assert float(NetMap(net)(x, s, t)) == pytest.approx(1.554285962, abs=2e-8)
    assert float(NetMap(net).mean_velocity(x, s, t)) == pytest.approx(2.423809937, abs=3e-8)
    for start, end in ((0.0, 1.886810234), (-0.6, -0.726613128)):
        assert float(NetMap(net)(times(start)[:, None], times(0.0), times(1.0))) == pytest.approx(end, abs=2e-7)


# ---------------------------------------------------------------------------------------------- fixed points

RULES = {
    "tangent": Tangent(),
    "compose, own leg": Compose(),
    "compose, own leg, a fixed share": Compose(0.3),
    "lagrange": Lagrange(),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("path", [Affine(), Affine(Cosine())], ids=repr)
def test_the_mean_velocity_is_a_fixed_point_of_every_rule(rule, path):
    field = plane().along(path)
    net, (x, s, t) = exact(field), draws(50, 2)
    target = rule(local_of(net, field, x, s, t), generator=torch.Generator().manual_seed(0)).value
    torch.testing.assert_close(target, net(x, torch.stack([s, t], 1)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_mean_velocity_of_modes_is_one_too(rule):
    """The flow map of 64 steps of RK4 errs by 1e-7 or so, and so do its derivatives."""
    field = modes()
    net, (x, s, t) = integrated(field, RK4(), 64), draws(20)
    s, t = 0.9 * s, 0.9 * t
    target = rule(local_of(net, field, x, s, t), generator=torch.Generator().manual_seed(0)).value
    torch.testing.assert_close(target, net(x, torch.stack([s, t], 1)), rtol=0, atol=1e-5)


def test_the_chord_of_the_exact_map_is_the_mean_velocity():
    field = plane().along(Affine())
    net, (x, s, t) = exact(field), draws(50, 2)
    s = torch.cat([t[:5], s[5:]])  # no length: the velocity
    target = Chord(field.flow_map)(local_of(net, field, x, s, t)).value
    torch.testing.assert_close(target, net(x, torch.stack([s, t], 1)), rtol=0, atol=1e-12)


def test_the_wrong_sign_of_time_is_no_fixed_point():
    field = plane().along(Affine())
    net, (x, s, t) = exact(field), draws(50, 2)
    local = local_of(net, field, x, s, t)
    right = net(x, torch.stack([s, t], 1))
    wrong = local.v - align(t - s, x) * Tangent().slope(local)[1]
    assert (wrong - right).abs().max() > 1


def test_compose_with_the_velocity_and_a_fixed_share_is_euler_on_a_geometric_grid():
    """m_k = t - (1 - a)^k (t - s); what is left of the interval after K legs is below rounding."""
    field = modes()
    for a, distance in ((0.5, 0.05), (0.1, 0.005)):
        legs = math.ceil(math.log(1e-17) / math.log(1 - a))

        def arrive(x, s, t, a=a, legs=legs):
            rest = (1 - a) ** torch.arange(legs + 1, dtype=F64)
            return solve(field, x, t - rest[:, None] * (t - s), solver=Euler()).x

        net = Mean(field, arrive)
        x, s, t = (
            torch.linspace(-1, 2, 7, dtype=F64)[:, None],
            torch.full((7,), 0.3, dtype=F64),
            torch.full((7,), 0.9, dtype=F64),
        )
        said = net(x, torch.stack([s, t], 1))
        target = Compose(a, own=False)(local_of(net, field, x, s, t)).value
        torch.testing.assert_close(target, said, rtol=0, atol=1e-12)
        fine = integrated(field, RK4(), 128)(x, torch.stack([s, t], 1))
        assert (said - fine).abs().max() > distance  # it is not the mean velocity


def test_trajectory_flow_matching_asks_for_the_velocity():
    field = modes()
    net, (x, s, t) = net_of(1), draws(20)
    torch.testing.assert_close(Compose(1.0, own=False)(local_of(net, field, x, s, t)).value, field(x, s))


def test_shortcuts_have_eulers_method_as_their_fixed_point():
    field, levels = modes(), 5
    finest = 2.0**-levels

    def arrive(x, s, t):
        steps = round(float((t - s)[0]) / finest)
        return Integrated(field, Euler(), max(steps, 1))(x, s, t)

    net = Mean(field, arrive)
    x = torch.linspace(-1, 2, 7, dtype=F64)[:, None]
    rule = Shortcut(levels=levels).at(1.0).rule
    for k in range(levels):
        gap = 2.0**-k
        s = torch.full((7,), 1 - gap, dtype=F64)
        t = s + gap
        said = net(x, torch.stack([s, t], 1))
        torch.testing.assert_close(rule(local_of(net, field, x, s, t)).value, said, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.99, 0.5, 0.1])
def test_a_ratio_below_one_averages_velocities_by_a_beta_law(ratio):
    r"""F = \int_0^1 v(x_tau, tau) dw at tau = t - (t - s) w^r, by Gauss-Legendre; the flow map is in closed form."""
    field = gaussian()
    nodes, weights = np.polynomial.legendre.leggauss(200)
    w, weights = times(*(nodes + 1) / 2), times(*weights / 2)

    def net(x, both, cond=None):
        s, t = (time.repeat(len(w)) for time in both.unbind(1))
        tau = t - (t - s) * w.repeat_interleave(len(x)) ** ratio
        v = field(field.flow_map(x.repeat(len(w), 1), s, tau), tau)
        return (weights[:, None, None] * v.reshape(len(w), *x.shape)).sum(0)

    x, s, t = times(0.3, -1.0)[:, None], times(0.25, 0.1), times(0.75, 0.9)
    target = Tangent(ratio)(local_of(net, field, x, s, t)).value
    said = net(x, torch.stack([s, t], 1))
    # the integrand is w^r smooth: with 200 nodes the quadrature errs by about 200^-(2 + 2 r)
    torch.testing.assert_close(target, said, rtol=0, atol=20 * 200.0 ** -(2 * ratio))
    mean = exact(field)(x, torch.stack([s, t], 1))
    assert (said - mean).abs().max() > 1e-4


def test_data_of_one_point_need_no_second_time():
    """F = (mu - x) / (1 - s): the loss is zero for every method, whatever is drawn."""
    mu = times(0.7, -0.2)

    def net(x, both, cond=None):
        return (mu - x) / align(1 - both[:, 0], x)

    batch = Pairs((pairs_of().x0, mu.expand(64, 2)))
    for objective in (
        MeanFlow(),
        SplitMeanFlow(),
        AlphaFlow(),
        Shortcut(),
        ModularMeanFlow(),
        ConsistencyTraining(),
        ConsistencyFM(segments=1),
        FlowMapMatching(rule=Lagrange()),
    ):
        for progress in (0.0, 0.4, 0.6, 1.0):
            loss = objective.at(progress)(net, batch, generator=torch.Generator().manual_seed(0))
            assert float(loss.value) < 1e-12, (objective, progress)


def test_guidance_is_learned_at_its_fixed_point():
    """F(., c) = w v(., c) + (1 - w) v(., null), w = omega / (1 - kappa), gives itself back."""
    guided = Guided(omega=0.6, kappa=0.7)
    assert guided.scale == pytest.approx(2.0)
    one, none = gaussian(0.5), gaussian(0.9)
    x, s, _ = draws(6)
    cond = torch.tensor([0, 0, -1, 0, -1, 0])

    class Line:
        """A path whose pairs move as the exact field of their class does."""

        space = Affine().space

        def sample(self, pairs, t, *, generator=None):
            raise AssertionError

        def velocity(self, point):
            return torch.where((cond == 0)[:, None], one(point.x, point.t), none(point.x, point.t))

    def net(x, both, cond=None):
        t = both[:, 1]
        mixed = guided.scale * one(x, t) + (1 - guided.scale) * none(x, t)
        return torch.where((cond == 0)[:, None], mixed, none(x, t))

    found = guided(Line(), Point(x, s, Pairs((x, x))), cond, NetMap(net))
    torch.testing.assert_close(found.v, net(x, torch.stack([s, s], 1), cond), rtol=0, atol=1e-12)
    off = Guided(omega=0.6, kappa=0.7, start=2.0, stop=3.0)(Line(), Point(x, s, Pairs((x, x))), cond, NetMap(net))
    torch.testing.assert_close(off.v, Line().velocity(Point(x, s, Pairs((x, x)))), rtol=0, atol=0)


def straight(field):
    """The mean velocity on the pairs of a Gaussian field: x_s = ((1 - s) I + s A) x0 + s m moves by x1 - x0."""
    m = field.flow_map(torch.zeros(1, 2, dtype=F64), 0.0, 1.0)
    A = field.flow_map(torch.eye(2, dtype=F64), 0.0, 1.0) - m  # symmetric

    def net(x, both, cond=None):
        s = both[:, :1, None]
        x0 = torch.linalg.solve((1 - s) * torch.eye(2, dtype=F64) + s * A, (x - both[:, :1] * m)[..., None])[..., 0]
        return x0 @ A + m - x0

    return net


@pytest.mark.parametrize("seed", [0, 1])
def test_on_the_pairs_of_a_gaussian_mean_flow_has_no_noise(seed):
    """The line of a pair is a trajectory, its motion the velocity: no row of any draw has a loss."""
    field = plane().along(Affine())
    x0 = pairs_of(seed=seed).x0
    pairs = Pairs((x0, field.flow_map(x0, 0.0, 1.0)))
    net = straight(field)
    for objective in (ReMeanFlow(), ReMeanFlow(intervals=StartAndGap(still=0.0)), MeanFlow()):
        run = lambda batch, objective=objective: objective(net, batch, generator=torch.Generator().manual_seed(seed))
        assert float(run(pairs).value) < 1e-24
        assert float(run(pairs_of(seed=seed)).value) > 0.1  # of independent pairs there is


def test_with_independent_pairs_it_is_mean_flow():
    net, batch = net_of(), pairs_of()
    mean = MeanFlow(intervals=StartAndGap(), residual=Residual(0.5, 1e-2))
    assert ReMeanFlow().at(0.3) == mean.at(0.3)
    runs = (f(net, batch, generator=torch.Generator().manual_seed(5)).value for f in (ReMeanFlow(), mean))
    assert torch.equal(*runs)


# ---------------------------------------------------------------------------------------------- limits


def test_small_legs_become_the_tangent():
    net, field = net_of(), plane().along(Affine())
    x, s, t = draws(30, 2)
    local = local_of(net, field, x, s, t)
    with torch.no_grad():
        said = local.mean(x, s, t)
    tangent = said - Tangent()(local).value
    errors = [((said - Compose(a, own=False)(local).value) / a - tangent).abs().max() for a in (1e-2, 1e-3)]
    assert math.log10(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.05)  # first order


def test_gradients_of_alpha_flow_become_those_of_mean_flow():
    net, batch = net_of(), pairs_of()
    for residual in (Residual(0.0), Residual(1.0, 1e-3)):
        intervals = SortedPair(still=0.25)
        mean = FlowMapMatching(intervals=intervals, residual=residual)
        a = 1e-4
        small = FlowMapMatching(intervals=intervals, residual=residual, rule=Compose(a, own=False, scaled=True))
        one, other = (
            gradient(f(net, batch, generator=torch.Generator().manual_seed(3)).value, net) for f in (mean, small)
        )
        assert (one - other).norm() < 20 * a * one.norm()  # first order in a


def test_a_last_short_leg_gives_the_lagrangian_rule():
    net, field = net_of(), plane().along(Affine())
    x, s, t = draws(30, 2)
    local = local_of(net, field, x, s, t)._replace(field=None)  # the network's own velocity at the arrival
    with torch.no_grad():
        said = local.mean(x, s, t)
    lagrange = said - Lagrange()(local).value
    errors = [((said - Compose(1 - e)(local).value) / e - lagrange).abs().max() for e in (1e-2, 1e-3)]
    assert math.log10(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.05)


def test_half_a_split_is_a_shortcut():
    net, field = net_of(), plane().along(Affine())
    local = local_of(net, field, *draws(30, 2))
    mid = torch.lerp(local.s, local.t, 0.5)
    with torch.no_grad():
        q = local.mean(local.x, local.s, mid)
        half = (q + local.mean(local.x + align(mid - local.s, q) * q, mid, local.t)) / 2
    torch.testing.assert_close(Compose(0.5)(local).value, half, rtol=0, atol=1e-14)


def test_forward_mode_equals_the_central_difference():
    """h^2 / 6 times a third derivative of a net whose weights are of order one, and where h meets an end, h / 2 times
    a second one."""
    net, field = net_of(), plane().along(Affine())
    local = local_of(net, field, *draws(200, 2))
    h = 1e-4
    exact_slope, quotient = Tangent().slope(local)[1], Tangent(difference=h).slope(local)[1]
    inside = (local.s > h) & (local.t - local.s > h)
    assert (exact_slope - quotient)[inside].abs().max() < 10 * h**2
    assert (exact_slope - quotient).abs().max() < 10 * h
    assert (exact_slope - Tangent(difference=2 * h).slope(local)[1])[inside].abs().max() > 1e-12


def test_where_times_agree_it_is_flow_matching():
    """Bit for bit, as the network then is one of one time."""
    net, batch = net_of(), pairs_of()
    still = SortedPair(FlowMatching().times, still=1.0)
    times = still(batch.size, batch.x0, generator=torch.Generator().manual_seed(5)).s

    class Fixed:
        def quantile(self, q):
            return times

        def density(self, t):
            raise AssertionError

    found = MeanFlow(intervals=still)(net, batch, generator=torch.Generator().manual_seed(5)).value
    plain = FlowMatching(times=Fixed())(lambda x, t, cond: net(x, torch.stack([t, t], 1)), batch).value
    assert torch.equal(found, plain)


def test_consistency_fm_with_an_early_boundary_is_weighted_flow_matching():
    net, batch = net_of(), pairs_of()
    first = ConsistencyFM(segments=2).at(0.0)
    found = first(net, batch, generator=torch.Generator().manual_seed(5)).value
    s, t, _ = first.intervals(batch.size, batch.x0, generator=torch.Generator().manual_seed(5))
    x = torch.lerp(batch.x0, batch.x1, s[:, None])
    gap = net(x, torch.stack([s, t], 1)) - (batch.x1 - batch.x0)
    torch.testing.assert_close(found, ((t - s).square() * gap.square().mean(1)).mean(), rtol=0, atol=1e-14)


def test_both_terms_of_consistency_fm_are_one_square():
    net, batch = net_of(), pairs_of()
    rule = Segment(gap=0.05, boundary=0.9, strength=0.3)
    objective = FlowMapMatching(intervals=ToEnd(segments=2), rule=rule, residual=Residual(0.0))
    found = gradient(objective(net, batch, generator=torch.Generator().manual_seed(5)).value, net)

    s, t, _ = objective.intervals(batch.size, batch.x0, generator=torch.Generator().manual_seed(5))
    line = lambda s: torch.lerp(batch.x0, batch.x1, s[:, None])
    m = torch.minimum(s + 0.05, t)
    said = net(line(s), torch.stack([s, t], 1))
    with torch.no_grad():
        other = net(line(m), torch.stack([m, t], 1))
        end = line(m) + (t - m)[:, None] * other
    inner = (m < 0.9) & (t - s > 1.01 * 0.05)
    end = torch.where(inner[:, None], end, line(t))
    first = (line(s) + (t - s)[:, None] * said - end).square().mean(1)
    second = (said - other).square().mean(1)
    loss = (first + torch.where(inner, 0.3, 0.0) * second).mean()
    torch.testing.assert_close(found, gradient(loss, net), rtol=1e-9, atol=1e-12)


def test_consistency_in_data_is_compose_to_the_end():
    """|X(x_s, s, 1) - X(x_m, m, 1)|^2 = (1 - s)^2 |F - T|^2."""
    net, batch = net_of(), pairs_of()
    s = torch.linspace(0, 0.9, batch.size, dtype=F64)
    m, one = torch.lerp(s, torch.ones_like(s), 0.25), torch.ones_like(s)
    line = lambda s: torch.lerp(batch.x0, batch.x1, s[:, None])
    jump = NetMap(net)
    with torch.no_grad():
        square = (jump(line(s), s, one) - jump(line(m), m, one)).square().sum(1)
        local = Local(jump, line(s), s, one, None, batch.x1 - batch.x0, None)
        gap = jump.mean_velocity(line(s), s, one) - Compose(0.25, own=False)(local).value
    torch.testing.assert_close(square, (1 - s).square() * gap.square().sum(1), rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------------------------------------- bias


def test_the_tangent_of_data_is_unbiased_and_the_composition_is_not():
    """At one place of the modes, over draws of x1 given x_s."""
    field, n = modes(), 100_000

    def net(x, both, cond=None):
        return (3 * x).sin() * (1 + both[:, :1])  # not linear in x, where targets would be unbiased

    x, s, t = torch.full((n, 1), 0.4, dtype=F64), torch.full((n,), 0.3, dtype=F64), torch.ones(n, dtype=F64)
    x1 = field.sample_posterior(x, s, generator=torch.Generator().manual_seed(0))
    v = (x1 - x) / 0.7  # the line's own motion
    data, marginal = local_of(net, field, x, s, t, v), local_of(net, field, x[:1], s[:1], t[:1])

    def off(rule):
        rows = rule(data).value - rule(marginal).value
        return abs(float(rows.mean())) / float(rows.std() / n**0.5)

    assert off(Tangent()) < 4
    assert off(Compose(0.5, own=False)) > 20


@pytest.mark.parametrize(
    ("power", "d", "learned"),
    [(1.0, 2, 1.77), (1.0, 8, 1.33), (1.0, 32, 0.96), (0.5, 2, 1.31), (0.5, 8, 1.03), (0.0, 2, 0.80)],
)
def test_powers_of_noisy_residuals_learn_a_mode_and_not_the_mean(power, d, learned):
    """The numbers of the docstring: where the slope of the loss vanishes, within four standard errors of that place."""
    g, n = torch.Generator().manual_seed(0), 50_000
    target = torch.randn(n, d, generator=g, dtype=F64)
    target[:, 0] += torch.where(torch.rand(n, generator=g) < 0.7, 2.0, -2.0)

    def slopes(place):
        """Of every row's loss, in its first coordinate."""
        said = torch.zeros(n, d, dtype=F64)
        said[:, 0] = place
        said.requires_grad_()
        return torch.autograd.grad(Residual(power, 1e-3)(said, target).sum(), said)[0][:, 0]

    h = 0.05
    curvature = (slopes(learned + h) - slopes(learned - h)).mean() / (2 * h)
    here = slopes(learned)
    off, error = here.mean() / curvature, here.std() / n**0.5 / curvature
    assert curvature > 0
    assert abs(off) < 4 * error + 0.005  # the number is rounded
    assert error < 0.02


def test_the_power_follows_the_number_of_coordinates():
    for size, power in ((99, 0.0), (100, 1.0)):
        said, target = torch.zeros(3, size), torch.randn(3, size)
        assert torch.equal(Residual()(said, target), Residual(power)(said, target))


# ---------------------------------------------------------------------------------------------- gradients


def test_targets_carry_no_gradient():
    """MeanFlow's gradient is that of a regression onto a constant."""
    net, batch = net_of(), pairs_of()
    objective = MeanFlow(residual=Residual(0.0))
    found = gradient(objective(net, batch, generator=torch.Generator().manual_seed(5)).value, net)
    s, t, _ = objective.intervals(batch.size, batch.x0, generator=torch.Generator().manual_seed(5))
    x, v = torch.lerp(batch.x0, batch.x1, s[:, None]), batch.x1 - batch.x0
    slope = torch.func.jvp(lambda x, s: net(x, torch.stack([s, t], 1)), (x, s), (v, torch.ones_like(s)))[1]
    target = (v + (t - s)[:, None] * slope).detach()
    loss = (net(x, torch.stack([s, t], 1)) - target).square().mean()
    torch.testing.assert_close(found, gradient(loss, net), rtol=1e-9, atol=1e-12)


def test_modular_mean_flow_changes_the_gradient_and_not_the_value():
    net, batch = net_of(), pairs_of()

    def run(through):
        objective = FlowMapMatching(intervals=MeanFlow().intervals, rule=Tangent(through=through))
        loss = objective(net, batch, generator=torch.Generator().manual_seed(5)).value
        return loss, gradient(loss, net)

    (first, plain), (half_loss, half), (last, full) = run(0.0), run(0.5), run(1.0)
    torch.testing.assert_close(half_loss, first, rtol=1e-12, atol=0)
    torch.testing.assert_close(last, first, rtol=1e-12, atol=0)
    assert torch.equal(gradient(MeanFlow()(net, batch, generator=torch.Generator().manual_seed(5)).value, net), plain)
    assert (full - plain).norm() > 0.01 * plain.norm()
    torch.testing.assert_close(half, (plain + full) / 2, rtol=1e-9, atol=1e-12)  # linear in the share


@pytest.mark.parametrize("rule", [*RULES.values(), Segment()], ids=[*RULES, "segment"])
def test_a_validation_without_gradients_gives_the_same_loss(rule):
    net, batch = net_of(), pairs_of()
    objective = FlowMapMatching(rule=rule)
    run = lambda: objective(net, batch, generator=torch.Generator().manual_seed(5)).value
    with torch.no_grad():
        quiet = run()
    torch.testing.assert_close(run(), quiet)


# ---------------------------------------------------------------------------------------------- laws of intervals

LAWS = {
    "sorted pair": SortedPair(still=0.25),
    "dyadic": Dyadic(4, 0.25),
    "to the end": ToEnd(segments=3),
    "uniform start": UniformStart(still=0.25),
    "start and gap": StartAndGap(still=0.25),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_intervals_are_ordered_and_repeat(law, dtype):
    draw = lambda: law(1000, torch.zeros(1, dtype=dtype), generator=torch.Generator().manual_seed(0))
    s, t, still = draw()
    assert s.dtype == t.dtype == dtype
    assert bool(((s >= 0) & (s <= t) & (t <= 1)).all())
    assert still == (0 if isinstance(law, ToEnd) else 250)
    assert torch.equal(s[:still], t[:still])
    assert (s[still:] < t[still:]).all()
    assert torch.equal(s, draw().s)
    assert torch.equal(t, draw().t)


def test_dyadic_intervals_lie_on_their_grids():
    s, t, still = Dyadic(4, 0.25)(4000, torch.zeros(1, dtype=F64), generator=torch.Generator().manual_seed(0))
    gap = (t - s)[still:]
    assert set(gap.unique().tolist()) == {1.0, 0.5, 0.25, 0.125}
    assert bool((s[still:] / gap % 1 == 0).all())
    assert bool((s[:still] * 16 % 1 == 0).all())
    share = (gap == 0.5).double().mean()
    assert abs(float(share) - 0.25) < 4 * (0.25 * 0.75 / 3000) ** 0.5


def test_segments_end_where_they_should():
    s, t, _ = ToEnd(segments=3)(1000, torch.zeros(1), generator=torch.Generator().manual_seed(0))
    assert torch.equal((s * 3).floor(), (t * 3).round() - 1)


def test_starts_and_gaps_have_their_laws():
    """Distances of distribution functions: above sqrt(7 / n) with probability 2 e^-14 (Massart's bound)."""
    law = StartAndGap(corner=None, still=0.0)
    s, t, _ = law(20_000, torch.zeros(1, dtype=F64), generator=torch.Generator().manual_seed(0))

    def distance(below):
        ranks = (torch.arange(len(below), dtype=F64) + 0.5) / len(below)
        return (below.sort().values - ranks).abs().max() / (7 / len(below)) ** 0.5

    edges = torch.linspace(0, 1, 20_001, dtype=F64)
    p = (4 * edges).exp() + (4 - 4 * edges).exp()  # the published density, summed by the trapezoidal rule
    below = torch.cat([times(0.0), (p[1:] + p[:-1]).cumsum(0)])
    assert distance((below / below[-1])[(s * 20_000).long()]) < 1.02  # a cell holds 1e-4 of 0.02
    inside = t < 1
    gap, room = (torch.special.ndtr(torch.logit(g[inside]) + 0.8) for g in (t - s, 1 - s))
    assert distance(gap / room) < 1  # of what fits, the gap's share is uniform
    assert distance(t - s) > 10


def test_long_intervals_that_begin_early_go_all_the_way():
    s, t, _ = StartAndGap(still=0.0)(20_000, torch.zeros(1), generator=torch.Generator().manual_seed(0))
    early = s < 0.2
    assert bool(((t[early] <= 0.6) | (t[early] == 1)).all())
    assert bool(((t[~early] > 0.6) & (t[~early] < 1)).any())
    free = StartAndGap(corner=None, still=0.0)(20_000, torch.zeros(1), generator=torch.Generator().manual_seed(0))
    assert torch.equal(free.s, s)
    assert torch.equal(free.t[~early], t[~early])
    assert bool(((free.t[early] > 0.6) & (free.t[early] < 1)).any())


# ---------------------------------------------------------------------------------------------- parts and refusals


def test_curricula():
    assert [AlphaFlow().at(p).rule for p in (0.0, 1.0)] == [Compose(1.0, own=False, scaled=True), Tangent()]
    assert AlphaFlow(begin=0.5, end=0.6).at(0.4).rule == Compose(1.0, own=False, scaled=True)
    assert AlphaFlow()(net_of(), pairs_of()).value.isfinite()
    field = gaussian()
    warm = AlignYourFlow(field, warm=0.5)
    assert [warm.at(p).rule.ratio for p in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    assert AlignYourFlow(field, rule=Lagrange()).at(0.0).rule == Lagrange()
    assert FlowMapMatching().at(0.3) == FlowMapMatching()


def test_a_teacher_is_asked_where_the_map_arrives():
    """The exact map of a Gaussian has no loss under either rule of distillation."""
    field = plane().along(Affine())
    for rule in (Tangent(), Lagrange()):
        objective = AlignYourFlow(field, rule=rule).at(1.0)
        loss = objective(exact(field), pairs_of(), generator=torch.Generator().manual_seed(0))
        assert float(loss.value) < 1e-18


def test_conditions_travel_with_their_rows():
    seen = []

    def net(x, both, cond=None):
        seen.append(cond)
        return x * align(cond.to(x.dtype), x)

    batch = pairs_of(8)._replace(cond=torch.arange(8))
    for objective in (
        MeanFlow(difference=1e-3),
        SplitMeanFlow(),
        ConsistencyFM(begin=0.0),
        MeanFlow(velocity=Guided()),
    ):
        seen.clear()
        objective(net, batch, generator=torch.Generator().manual_seed(0))
        for cond in seen:
            rows = [torch.arange(begin, end) for begin, end in ((0, 8), (0, 2), (2, 8), (0, 6), (6, 8), (4, 8))]
            rows += [torch.arange(2, 8).repeat(2), torch.arange(6, 8).repeat(2)]
            rows += [torch.cat([torch.arange(8), torch.full((8,), -1)])]
            assert any(torch.equal(cond, row) for row in rows)


@pytest.mark.parametrize(("objective", "segments"), [(ConsistencyTraining(), 1), (ConsistencyFM(segments=4), 4)])
def test_views_ask_only_for_ends_that_were_learned(objective, segments):
    """Whatever way is asked for, by map or as a velocity, the network hears the end of the segment it starts in."""
    heard = []

    class Listening(nn.Module):
        def forward(self, x, both, cond=None):
            heard.append(both)
            return torch.ones_like(x)

    net = Listening()
    x, s = torch.zeros(5, 2), torch.tensor([0.0, 0.2, 0.25, 0.8, 1.0])
    moved = objective.flow_map(net)(x, s, torch.ones(5))
    objective.field(net)(x, s)
    ends = torch.tensor([1.0] * 5 if segments == 1 else [0.25, 0.25, 0.5, 1.0, 1.0])
    assert all(torch.equal(both, torch.stack([s, ends], 1)) for both in heard)
    torch.testing.assert_close(moved, (1 - s)[:, None].expand(5, 2))


def test_weights_of_rows_count():
    net, batch = net_of(), pairs_of(16)
    weight = torch.zeros(16, dtype=F64)
    weight[3] = 16.0
    only = MeanFlow(intervals=SortedPair(still=0.0))
    run = lambda b: only(net, b, generator=torch.Generator().manual_seed(5)).value
    other = Pairs(tuple(torch.where((weight > 0)[:, None], x, x + 7) for x in batch.anchors), weight=weight)
    torch.testing.assert_close(run(batch._replace(weight=weight)), run(other))


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: MeanFlow(cond_drop=2.0), InvalidInput, "cond_drop is a probability"),
        (lambda: Compose(0.0), InvalidInput, "share of the first leg"),
        (lambda: Compose(finest=1.0), InvalidInput, "length of a leg"),
        (lambda: Tangent(ratio=1.1), InvalidInput, "ratio is 1.1"),
        (lambda: Tangent(through=-1), InvalidInput, "share of the gradient"),
        (lambda: MeanFlow(difference=0.0), InvalidInput, "expected a step > 0"),
        (lambda: Residual(2.0), InvalidInput, "power is 2.0"),
        (lambda: Residual(floor=0.0), InvalidInput, "floor is 0.0"),
        (lambda: Guided(omega=0.0), InvalidInput, "omega is 0.0"),
        (lambda: Guided(kappa=1.0), InvalidInput, "kappa is 1.0"),
        (lambda: Guided(start=1.0, stop=0.0), InvalidInput, "swap them"),
        (lambda: SortedPair(still=1.5), InvalidInput, "share of the rows"),
        (lambda: Dyadic(0), InvalidInput, "at least one level"),
        (lambda: ToEnd(segments=0), InvalidInput, "at least one segment"),
        (lambda: StartAndGap(still=-1.0), InvalidInput, "share of the rows"),
        (lambda: StartAndGap(corner=(0.2, 1.6)), InvalidInput, "two times in"),
        (lambda: UShaped(0.0), InvalidInput, "steepness"),
        (lambda: AlphaFlow(begin=1.0, end=0.5), InvalidInput, "let it begin first"),
        (lambda: ModularMeanFlow(warm=0.0), InvalidInput, "warm is a share"),
        (lambda: ConsistencyTraining(ratio=1.0), InvalidInput, "the gap shrinks"),
        (lambda: ConsistencyTraining(stages=0), InvalidInput, "stages is 0"),
        (lambda: ConsistencyFM(gap=0.0), InvalidInput, "gap is 0.0"),
        (lambda: ConsistencyFM(boundary=0.0), InvalidInput, "boundary is 0.0"),
        (lambda: AlignYourFlow(gaussian(), warm=2.0), InvalidInput, "warm is a share"),
    ],
)
def test_refusals(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_names_of_estimates():
    x, s, t = draws(5)
    field = gaussian()
    point = Point(x, s, Pairs((x, x + 1)))
    assert Conditional()(Affine(), point, None, NetMap(net_of(1))).field is None
    told = Teacher(field)(Affine(), point, None, NetMap(net_of(1)))
    assert torch.equal(told.v, field(x, s))
    assert told.field is field
    assert t.shape == s.shape


@pytest.mark.parametrize(
    "build",
    [lambda: UNet((1, 8, 8), width=8, multipliers=(1, 2), times=2), lambda: DiT((1, 8, 8), width=16, depth=1, times=2)],
)
@pytest.mark.parametrize(
    "objective", [MeanFlow(), ModularMeanFlow(), AlignYourFlow(lambda x, t, cond=None: -x, rule=Lagrange())]
)
def test_networks_with_attention_learn(build, objective):
    torch.manual_seed(0)
    net = build()
    batch = Pairs(tuple(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(k)) for k in range(2)))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(2)), alpha=0.1)
    objective(net, batch, generator=torch.Generator().manual_seed(0)).value.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_dropout_has_one_mask_for_value_and_derivative():
    """F(x, s, t) = m s x with a random mask m: the derivative in s has the mask of the value, row by row."""
    drop = torch.nn.Dropout(0.5)
    net = lambda x, both, cond=None: drop(torch.ones_like(x)) * both[:, :1] * x
    x = torch.ones(64, 3, dtype=F64)
    s, t = torch.full((64,), 0.5, dtype=F64), torch.ones(64, dtype=F64)
    said, slope = Tangent().slope(Local(NetMap(net), x, s, t, None, torch.zeros_like(x), None))
    assert 0 < int((said == 0).sum()) < said.numel()
    torch.testing.assert_close(slope, said / 0.5, rtol=0, atol=0)


def test_autocast_is_off_in_the_derivative():
    net = net_of().float()
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    s, t = torch.full((8,), 0.3), torch.full((8,), 0.9)
    local = Local(NetMap(net), x, s, t, None, -x, None)
    _, plain = Tangent().slope(local)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, cast = Tangent().slope(local)
    assert cast.dtype == torch.float32
    assert torch.equal(cast, plain)
